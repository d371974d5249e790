/**
 * Runs before `npm start` and `npm test`: brings node_modules and dist/ up to date, or does nothing in well under
 * a second. Plain JavaScript without dependencies, because it must run before there are any.
 *
 * What is fresh is decided by content (the lockfile against what npm says it installed, the sources' sizes and
 * times against those of the last build), never by the age of a folder: a checkout gives files new times.
 */
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const MODULES = join(ROOT, 'node_modules');
const LOCKFILE = join(ROOT, 'package-lock.json');
/** What npm installed, as npm wrote it down. */
const INSTALLED = join(MODULES, '.package-lock.json');
const INSTALL_STAMP = join(MODULES, '.cadenza-install');
const DIST = join(ROOT, 'dist');
const BUILD_STAMP = join(DIST, '.stamp');
const LOCKS = join(DIST, '.ensure');
const OLDEST_NODE = [20, 19];
const WAIT_MS = 10 * 60_000;

const say = (line) => process.stderr.write(`${line}\n`);

function fail(line) {
  say(line);
  process.exit(1);
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])) return;
  fail(
    `Cadenza needs Node ${OLDEST_NODE.join('.')} or later; this is ${process.versions.node}. See https://nodejs.org`,
  );
}

const textOf = (path) => (existsSync(path) ? readFileSync(path, 'utf8') : '');

const hash = (...texts) => createHash('sha256').update(texts.join('\0')).digest('hex');

const installMark = (dev) => hash(textOf(LOCKFILE), textOf(INSTALLED), dev ? 'dev' : 'run');

/** Does what npm installed match the lockfile? Without `dev`, the development dependencies may be absent. */
function matchesLockfile(dev) {
  const wanted = JSON.parse(readFileSync(LOCKFILE, 'utf8')).packages;
  const present = JSON.parse(readFileSync(INSTALLED, 'utf8')).packages;
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === '' || entry.link) continue;
    const found = present[path];
    if (found) {
      if (found.version !== entry.version || found.integrity !== entry.integrity) return false;
    } else if (!(entry.optional || entry.devOptional || (entry.dev && !dev))) {
      return false;
    }
  }
  return true;
}

function isInstalled(dev) {
  if (!existsSync(INSTALLED)) return false;
  const marks = textOf(INSTALL_STAMP).trim();
  if (marks === installMark(true) || (!dev && marks === installMark(false))) return true;
  if (!matchesLockfile(dev)) return false;
  writeIfPossible(INSTALL_STAMP, installMark(dev));
  return true;
}

/** A read-only checkout that is fresh is fine as it is. */
function writeIfPossible(path, text) {
  try {
    writeFileSync(path, text);
  } catch {}
}

function install() {
  say('Installing dependencies (npm ci) ...');
  const npm = process.env.npm_execpath;
  const args = ['ci', '--include=dev'];
  const options = { cwd: ROOT, stdio: ['ignore', 2, 2] };
  const run = npm
    ? spawnSync(process.execPath, [npm, ...args], options)
    : spawnSync('npm', args, { ...options, shell: process.platform === 'win32' });
  if (run.error) fail(`npm could not be run: ${run.error.message}`);
  if (run.status !== 0) fail('npm ci failed; its own words are above. Try again when that is mended.');
  writeFileSync(INSTALL_STAMP, installMark(true));
}

/** Every file the build reads, with size and time. */
function sources() {
  const files = readdirSync(join(ROOT, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.test.ts'))
    .map((entry) => join(entry.parentPath, entry.name));
  return files.sort();
}

function buildMark(files) {
  const inputs = [...files, join(ROOT, 'tsconfig.json'), join(ROOT, 'tsconfig.build.json')];
  const lines = inputs.map((path) => {
    const { size, mtimeMs } = statSync(path);
    return `${relative(ROOT, path)} ${size} ${mtimeMs}`;
  });
  return hash(textOf(LOCKFILE), ...lines);
}

const outputOf = (file) => join(DIST, relative(join(ROOT, 'src'), file).replace(/\.ts$/, '.js'));

const hasOutputs = (files) => files.every((file) => file.endsWith('.d.ts') || existsSync(outputOf(file)));

function isBuilt() {
  const files = sources();
  return hasOutputs(files) && textOf(BUILD_STAMP) === buildMark(files);
}

/** What a deleted or renamed source left behind would still be imported by nobody, and found by a glob. */
function removeOrphans(files) {
  const wanted = new Set(files.map(outputOf));
  for (const entry of readdirSync(DIST, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const script = path.replace(/\.map$/, '');
    if (entry.isFile() && script.endsWith('.js') && !wanted.has(script)) rmSync(path);
  }
}

function build() {
  say('Building ...');
  const files = sources();
  // Read before tsc runs: a file saved meanwhile makes the next start build again.
  const mark = buildMark(files);
  // tsc believes its notes and would not write a lost output again.
  if (!hasOutputs(files)) rmSync(join(DIST, '.tsbuildinfo'), { force: true });
  const tsc = join(MODULES, 'typescript-7', 'bin', 'tsc');
  const run = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], {
    cwd: ROOT,
    stdio: ['ignore', 2, 2],
  });
  if (run.status !== 0) fail('The build failed; the compiler says why above.');
  removeOrphans(files);
  writeFileSync(BUILD_STAMP, mark);
}

const lockNumbers = () => readdirSync(LOCKS).map(Number).filter(Number.isInteger);

/** `pid start`: a number alone is soon given to another process. Only Linux tells the start cheaply. */
function nameOf(pid) {
  const stat = process.platform === 'linux' ? textOf(`/proc/${pid}/stat`) : '';
  return `${pid} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''}`;
}

function isAlive(owner) {
  const pid = Number.parseInt(owner, 10);
  if (!(pid > 0) || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (error.code !== 'EPERM') return false;
  }
  return nameOf(pid) === owner;
}

/**
 * One at a time, as `npm ci` deletes node_modules first. Numbered files that name their owner; the highest rules,
 * and only one process can create the next (the launcher of the embedded PostgreSQL does the same and says why).
 */
async function takeTurn() {
  mkdirSync(LOCKS, { recursive: true });
  const end = Date.now() + WAIT_MS;
  const draft = join(LOCKS, `.${randomBytes(6).toString('hex')}`);
  writeFileSync(draft, nameOf(process.pid));
  let told = false;
  for (;;) {
    const ruling = Math.max(0, ...lockNumbers());
    const owner = textOf(join(LOCKS, String(ruling)));
    if (isAlive(owner)) {
      const pid = Number.parseInt(owner, 10);
      if (Date.now() > end)
        fail(`Process ${pid} has been installing or building for too long; end it and try again.`);
      if (!told) say(`Waiting for process ${pid}, which is installing or building ...`);
      told = true;
      await new Promise((resolve) => setTimeout(resolve, 200));
      continue;
    }
    const mine = join(LOCKS, String(ruling + 1));
    try {
      linkSync(draft, mine);
    } catch (error) {
      if (error.code === 'EEXIST') continue;
      throw error;
    }
    if (Math.max(...lockNumbers()) !== ruling + 1) {
      rmSync(mine, { force: true });
      continue;
    }
    for (const n of lockNumbers()) if (n <= ruling) rmSync(join(LOCKS, String(n)), { force: true });
    rmSync(draft);
    process.on('exit', () => {
      writeFileSync(draft, '0');
      renameSync(draft, mine);
    });
    return;
  }
}

checkNode();
const testing = process.env.npm_lifecycle_event === 'pretest' || process.argv.includes('--dev');
// Built already and only to be run: then the development dependencies are not needed.
const isReady = () => isBuilt() && isInstalled(testing);
if (!isReady()) {
  await takeTurn();
  if (!isReady()) {
    if (!isInstalled(true)) install();
    if (!isBuilt()) build();
  }
}

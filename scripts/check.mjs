/**
 * `npm run check`: everything that must be true of the project, and then all tests. With `--fast` (`npm run check:fast`)
 * without the tests. Steps run side by side, slowest first; a step that fails shows its output at the end.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Even one core gains from two steps at once: each waits for the disk at its start. */
const PARALLEL = Math.max(2, availableParallelism());
/** A step that hangs must not hang the check. */
const STEP_LIMIT_MS = 120_000;

const script = (name) => `./scripts/check/${name}.mjs`;
/** Several in one process parse the sources once. */
const own = (name, ...before) => [
  process.execPath,
  '--max-semi-space-size=64',
  ...before.flatMap((other) => ['--import', script(other)]),
  script(name),
];
const tool = (path, ...args) => [process.execPath, `node_modules/${path}`, ...args];

const STEPS = [
  { name: 'architecture, sql, sizes, docs', run: own('architecture', 'docs', 'sizes', 'sql') },
  { name: 'generated files', run: own('generated') },
  // Dead is what no entry reaches, so this needs the program's entry.
  { name: 'dead code', run: tool('knip/bin/knip.js', '--no-progress'), needs: 'bin/cadenza.mjs' },
  { name: 'format and lint', run: tool('@biomejs/biome/bin/biome', 'check', '--error-on-warnings', '.') },
  { name: 'types', run: tool('typescript-7/bin/tsc', '--noEmit') },
];

/** Runs one step; its outcome never throws. */
function runStep({ name, run: [command, ...args] }) {
  const started = performance.now();
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: STEP_LIMIT_MS,
    });
    let output = '';
    const keep = (chunk) => {
      output += chunk;
    };
    child.stdout.setEncoding('utf8').on('data', keep);
    child.stderr.setEncoding('utf8').on('data', keep);
    child.on('error', (error) => keep(`${error.message}\n`));
    child.on('close', (code, signal) => {
      const seconds = (performance.now() - started) / 1000;
      if (signal) keep(`ended by ${signal}\n`);
      resolve({ name, ok: code === 0, seconds, output });
    });
  });
}

function isPossible({ name, needs }) {
  const possible = needs === undefined || existsSync(new URL(`../${needs}`, import.meta.url));
  if (!possible) console.log(`skip          ${name}: there is no ${needs} yet`);
  return possible;
}

function say({ name, ok, seconds }) {
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${seconds.toFixed(1).padStart(5)} s  ${name}`);
}

async function runAll(steps) {
  const waiting = [...steps];
  const results = [];
  const lane = async () => {
    for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) {
      const result = await runStep(step);
      say(result);
      results.push(result);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, lane));
  return results;
}

function runTests() {
  const started = performance.now();
  return new Promise((resolve) => {
    const child = spawn('npm', ['test'], { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
    const end = (ok) =>
      resolve({ name: 'tests', ok, seconds: (performance.now() - started) / 1000, output: '' });
    child.on('error', () => end(false));
    child.on('close', (code) => end(code === 0));
  });
}

const started = performance.now();
const results = await runAll(STEPS.filter(isPossible));
if (!process.argv.includes('--fast')) {
  const tests = await runTests();
  say(tests);
  results.push(tests);
}
const failed = results.filter((result) => !result.ok);
for (const { name, output } of failed) console.log(`\n--- ${name}\n${output.trimEnd()}`);
const total = ((performance.now() - started) / 1000).toFixed(1);
console.log(`\ncheck: ${results.length - failed.length} of ${results.length} steps ok, ${total} s`);
process.exitCode = failed.length > 0 ? 1 : 0;

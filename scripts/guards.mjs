/**
 * `npm run guards [-- --only TEXT] [-- --part K/N]`: takes each guard of the engine away, one at a time, in a copy of the sources, and
 * shows that its tests go red. Ends with 1 when a guard's removal leaves them green: then it guards nothing, or
 * its test does not look. `--part 2/6` is the second of six pieces of the table. Takes minutes, so it is not part of `npm test`; that the table fits the sources is.
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readArguments, refuse } from './arguments.mjs';
import { GUARDS } from './guards/table.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const COPIED = ['src', 'test', 'scripts', 'package.json', 'tsconfig.json', 'vitest.config.ts'];
/** Copies worked side by side; each runs a database of its own. */
const LANES = 2;
/** A guard may keep a test from ending, too. */
const LIMIT_MS = 180_000;
const WHY_LENGTH = 120;

const HELP = `npm run guards [-- --only TEXT] [-- --part K/N]

Takes each guard of the engine away, one at a time, in a copy of the sources, and shows that its tests go red.

  --only TEXT  the guards whose name has this text
  --part K/N   the K-th of N pieces of the table`;

const options = readArguments(HELP, {
  only: { type: 'string', default: '' },
  part: { type: 'string', default: '1/1' },
});
const named = GUARDS.filter(({ guard }) => guard.includes(options.only));
const [part, parts] = options.part.split('/').map(Number);
if (!(part >= 1 && part <= parts)) refuse(HELP, '--part is K/N, with K from 1 to N');
const at = (nth) => Math.round((named.length * nth) / parts);
const wanted = named.slice(at(part - 1), at(part));

function copySources() {
  const dir = mkdtempSync(join(tmpdir(), 'cadenza-guards-'));
  for (const name of COPIED) cpSync(join(ROOT, name), join(dir, name), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules'));
  return dir;
}

/** Takes a guard away in the copy; the answer puts it back. */
function remove(dir, { file, edits }) {
  const before = new Map();
  for (const [find, replace, other] of edits) {
    const path = join(dir, other ?? file);
    const text = readFileSync(path, 'utf8');
    if (!before.has(path)) before.set(path, text);
    const times = text.split(find).length - 1;
    if (times !== 1) throw new Error(`${other ?? file} has this ${times} times: ${find}`);
    writeFileSync(
      path,
      text.replace(find, () => replace),
    );
  }
  return () => {
    for (const [path, text] of before) writeFileSync(path, text);
  };
}

/** Runs one file's tests with these titles; how many ran and failed, null when the run itself broke. */
function runTests(dir, [file, ...titles]) {
  const report = join(dir, 'report.json');
  rmSync(report, { force: true });
  const args = ['run', file, '--reporter=json', `--outputFile=${report}`, '--testTimeout=20000'];
  if (titles.length > 0) args.push('-t', titles.map(quoted).join('|'));
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['node_modules/vitest/vitest.mjs', ...args], {
      cwd: dir,
      stdio: 'ignore',
      timeout: LIMIT_MS,
    });
    child.on('close', () => resolve(readReport(report)));
  });
}

/** Titles are plain text; a `$` at the end pins theirs. */
function quoted(title) {
  return title.replace(/[.*+?^{}()|[\]\\]/g, '\\$&');
}

function readReport(path) {
  try {
    const { numPassedTests, numFailedTests, testResults } = JSON.parse(readFileSync(path, 'utf8'));
    const [first] = testResults
      .flatMap((file) => file.assertionResults)
      .flatMap((test) => test.failureMessages ?? []);
    return {
      passed: numPassedTests,
      failed: numFailedTests,
      why: first?.split('\n')[0].slice(0, WHY_LENGTH),
    };
  } catch {
    return null;
  }
}

async function takeAway(dir, guard) {
  const putBack = remove(dir, guard);
  try {
    return await runTests(dir, guard.tests);
  } finally {
    putBack();
  }
}

/** In capitals: not as it must be. */
function say(result, mustFail, name) {
  const ran = result !== null && result.passed + result.failed > 0;
  const colour = !ran ? 'broken' : result.failed > 0 ? 'red' : 'green';
  const good = colour === (mustFail ? 'red' : 'green');
  const count = result ? `${result.failed} of ${result.passed + result.failed}` : '';
  console.log(`${(good ? colour : colour.toUpperCase()).padEnd(7)} ${count.padEnd(8)} ${name}`);
  if (result?.why) console.log(`                 ${result.why}`);
  return good;
}

async function main() {
  const dirs = Array.from({ length: LANES }, copySources);
  const waiting = [...wanted];
  const bad = [];
  try {
    for (const file of new Set(wanted.map(({ tests }) => tests[0])))
      if (!say(await runTests(dirs[0], [file]), false, `every guard in place: ${file}`)) bad.push(file);
    const lane = async (dir) => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
        if (!say(await takeAway(dir, next), true, next.guard)) bad.push(next.guard);
    };
    await Promise.all(dirs.map(lane));
  } finally {
    for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
  }
  console.log(`${wanted.length} guards, ${bad.length} not shown`);
  return bad.length === 0 ? 0 : 1;
}

process.exitCode = await main();

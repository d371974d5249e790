/**
 * The last lines of a test run, for people and for machines:
 *
 *   Debian programs absent: 3 tests skipped (chromium 1, postfix 2)
 *   120 passed, 0 failed, 3 skipped
 *
 * As a vitest reporter it closes every `npm test`; run as `node scripts/closing-line.mjs REPORT.json [EXIT_CODE]` it reads
 * vitest's JSON report. A file that does not load, or an error outside any test, counts as failed.
 */
import { existsSync, readFileSync, writeSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

/** How a title names the program it lacks: `(needs chromium)`, or with the reason `(skipped: postfix needs root)`. */
const NEEDS = /\((?:needs|skipped:) ([\w.+-]+)/;

/** `tests`: `{ title, status }` with status passed, failed or anything else for skipped. `others`: failures outside tests. */
function closingLines(tests, others) {
  const passed = tests.filter(({ status }) => status === 'passed').length;
  const failed = tests.filter(({ status }) => status === 'failed').length;
  const skipped = tests.filter(({ status }) => status !== 'passed' && status !== 'failed');
  const absent = new Map();
  for (const { title } of skipped) {
    const program = NEEDS.exec(title)?.[1];
    if (program) absent.set(program, (absent.get(program) ?? 0) + 1);
  }
  const lines = [`${passed} passed, ${failed + others} failed, ${skipped.length} skipped`];
  if (absent.size > 0) {
    const programs = [...absent]
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([name, count]) => `${name} ${count}`);
    const total = [...absent.values()].reduce((sum, count) => sum + count, 0);
    lines.unshift(`Debian programs absent: ${total} tests skipped (${programs.join(', ')})`);
  }
  return lines;
}

/** From vitest's JSON report; `exitCode` is the run's own, so that a failure which the report lacks still counts. */
function linesOfReport(report, exitCode) {
  const tests = report.testResults.flatMap(({ assertionResults }) =>
    assertionResults.map(({ fullName, status }) => ({ title: fullName, status })),
  );
  const unloaded = report.testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && !assertionResults.some((assertion) => assertion.status === 'failed'),
  ).length;
  const silent = exitCode !== 0 && unloaded === 0 && !tests.some(({ status }) => status === 'failed');
  return closingLines(tests, unloaded + (silent ? 1 : 0));
}

export default class ClosingLine {
  onTestRunEnd(modules, unhandledErrors) {
    const tests = [];
    let others = unhandledErrors.length;
    for (const module of modules) {
      const own = [...module.children.allTests()];
      const failed = own.some((test) => test.result().state === 'failed');
      if (!failed && module.state() === 'failed') others += 1;
      for (const test of own) tests.push({ title: test.fullName, status: test.result().state });
    }
    // At the very end: other reporters still write their summaries after this turn.
    process.once('exit', () => writeSync(1, `${closingLines(tests, others).join('\n')}\n`));
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [, , file, exitCode = '0'] = process.argv;
  // No report at all: the run broke before its first test.
  const report = file && existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : { testResults: [] };
  console.log(linesOfReport(report, Number(exitCode)).join('\n'));
}

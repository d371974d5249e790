import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
const CLOSING = join(PROJECT, 'scripts/closing-line.mjs');
const VITEST = join(PROJECT, 'node_modules/vitest/vitest.mjs');
const DEBIAN = join(PROJECT, 'test/support/debian.ts');

const MIXED = `
import { describe, expect, it } from 'vitest';
import { describeWith } from ${JSON.stringify(DEBIAN)};
it('passes', () => {});
it('passes too', () => {});
it('fails', () => expect(1).toBe(2));
it.skip('waits', () => {});
describeWith('no-such-daemon', 'a relay', () => {
  it('takes a message', () => {});
  it('refuses one', () => {});
});
describe.skip('another relay (skipped: postfix is not installed)', () => {
  it('takes a message', () => {});
});
describeWith('node', 'a program that is there', (path) => {
  it('is found', () => expect(path).toMatch(/node$/));
});
`;

describe('the closing line of a test run', () => {
  let root: string;
  beforeAll(() => {
    root = mkdtempSync(join(PROJECT, 'node_modules/.closing-line-'));
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  /** Runs vitest over the given files, as an inner run of its own. */
  function run(name: string, files: Record<string, string>, environment: Record<string, string> = {}) {
    const folder = mkdtempSync(join(root, `${name}-`));
    for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
    const include = "include: ['*.test.ts']";
    writeFileSync(
      join(folder, 'vitest.config.mjs'),
      `export default { test: { ${include}, pool: 'forks' } };\n`,
    );
    const report = join(folder, 'report.json');
    const { CI: _ci, VITEST: _v, ...outer } = process.env;
    const result = spawnSync(
      process.execPath,
      [
        VITEST,
        'run',
        '--root',
        folder,
        '--reporter=default',
        `--reporter=${CLOSING}`,
        '--reporter=json',
        `--outputFile.json=${report}`,
      ],
      { cwd: folder, encoding: 'utf8', env: { ...outer, ...environment } },
    );
    const closing = spawnSync(process.execPath, [CLOSING, report, String(result.status)], {
      encoding: 'utf8',
    });
    return {
      status: result.status,
      reporter: result.stdout.trimEnd().split('\n'),
      fromReport: closing.stdout.trimEnd().split('\n'),
    };
  }

  it('counts passed, failed, skipped, and those whose Debian program is absent', () => {
    const { status, reporter, fromReport } = run('mixed', { 'mixed.test.ts': MIXED });
    const expected = [
      'Debian programs absent: 3 tests skipped (no-such-daemon 2, postfix 1)',
      '3 passed, 1 failed, 4 skipped',
    ];
    expect(reporter.slice(-2)).toEqual(expected);
    expect(fromReport).toEqual(expected);
    expect(status).toBe(1);
  });

  it('fails instead of skipping where CI is set', () => {
    const { status, fromReport } = run('ci', { 'mixed.test.ts': MIXED }, { CI: 'true' });
    expect(fromReport.at(-1)).toBe('3 passed, 2 failed, 2 skipped');
    expect(status).toBe(1);
  });

  it('counts a file that does not load, and an error outside any test, as failed', () => {
    const passes = "import { it } from 'vitest';\nit('passes', () => {});\n";
    const broken = run('broken', { 'a.test.ts': passes, 'b.test.ts': "import './gone.ts';\n" });
    expect(broken.reporter.at(-1)).toBe('1 passed, 1 failed, 0 skipped');
    expect(broken.fromReport.at(-1)).toBe('1 passed, 1 failed, 0 skipped');
    const loose =
      "import { it } from 'vitest';\nit('passes', () => { void Promise.reject(new Error('loose')); });\n";
    const stray = run('stray', { 'a.test.ts': loose });
    expect(stray.status).toBe(1);
    expect(stray.reporter.at(-1)).toBe('1 passed, 1 failed, 0 skipped');
    expect(stray.fromReport.at(-1)).toBe('1 passed, 1 failed, 0 skipped');
  });

  it('counts a run that left no report as failed', () => {
    const gone = join(tmpdir(), 'cadenza-no-such-report.json');
    const { stdout } = spawnSync(process.execPath, [CLOSING, gone, '1'], { encoding: 'utf8' });
    expect(stdout).toBe('0 passed, 1 failed, 0 skipped\n');
  });
});

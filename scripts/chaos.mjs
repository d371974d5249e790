/**
 * `npm run chaos`: the chaos proof (test/chaos). The harness is TypeScript and is made into JavaScript here, without type
 * checks; `npm run typecheck` does those. It runs the built product.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import ts from 'typescript';
import { readArguments, wholeNumber } from './arguments.mjs';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const SOURCES = join(ROOT, 'test/chaos');
/** What the harness shares with other tests, beside it. */
const SHARED = ['support/model-server.ts'];

/** Below the project, so that its packages are found; on a disk, because the cluster's commits must reach one. */
function runDirectory() {
  mkdirSync(join(ROOT, 'tmp'), { recursive: true });
  return mkdtempSync(join(ROOT, 'tmp', 'chaos-'));
}

function compile(from, to) {
  const { outputText } = ts.transpileModule(readFileSync(from, 'utf8'), {
    compilerOptions: {
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.ESNext,
      rewriteRelativeImportExtensions: true,
      verbatimModuleSyntax: true,
    },
  });
  mkdirSync(dirname(to), { recursive: true });
  writeFileSync(to.replace(/ts$/, 'js'), outputText);
}

const HELP = `npm run chaos -- [--seconds N] [--seed S] [--json]

Several processes, clients that do everything at once, and faults from a seed; then a checker judges what was recorded.
Exit code 1 when an invariant was violated.

  --seconds N  how long; 60 unless told
  --seed S     the faults and their times follow from it
  --replay     tells the schedule of the faults first
  --workers W  3 unless told
  --clients C  8 unless told
  --keep       leaves the record of the run where it is, as after a violation
  --json       counts and violations as one JSON object`;

const values = readArguments(HELP, {
  seconds: { type: 'string', default: '60' },
  seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  workers: { type: 'string', default: '3' },
  clients: { type: 'string', default: '8' },
  json: { type: 'boolean', default: false },
  replay: { type: 'boolean', default: false },
  keep: { type: 'boolean', default: false },
});
const whole = (name, least, most) => wholeNumber(HELP, name, values[name], least, most);
const options = {
  ...values,
  seconds: whole('seconds', 0, 24 * 3_600),
  seed: whole('seed', 0, 2 ** 31),
  workers: whole('workers', 0, 64),
  clients: whole('clients', 0, 256),
};

const dir = runDirectory();
for (const name of readdirSync(SOURCES, { recursive: true })) {
  if (name.endsWith('.ts') && !name.endsWith('.test.ts'))
    compile(join(SOURCES, name), join(dir, 'code', name));
}
for (const name of SHARED) compile(join(ROOT, 'test', name), join(dir, name));
const { main } = await import(pathToFileURL(join(dir, 'code/run.js')).href);
process.exitCode = await main(ROOT, dir, options);

/**
 * `npm run chaos -- --seconds N --seed S [--json] [--replay]`: the chaos proof (test/chaos). The harness is TypeScript
 * and is made into JavaScript here, without type checks; `npm run typecheck` does those. It runs the built product.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import ts from 'typescript';

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

const dir = runDirectory();
for (const name of readdirSync(SOURCES, { recursive: true })) {
  if (name.endsWith('.ts') && !name.endsWith('.test.ts'))
    compile(join(SOURCES, name), join(dir, 'code', name));
}
for (const name of SHARED) compile(join(ROOT, 'test', name), join(dir, name));
const { main } = await import(pathToFileURL(join(dir, 'code/run.js')).href);
process.exitCode = await main(ROOT, dir, process.argv.slice(2));

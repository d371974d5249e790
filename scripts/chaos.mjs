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

/** Below the project, so that its packages are found; on a disk, because the cluster's commits must reach one. */
function runDirectory() {
  mkdirSync(join(ROOT, 'tmp'), { recursive: true });
  return mkdtempSync(join(ROOT, 'tmp', 'chaos-'));
}

function compile(into) {
  for (const name of readdirSync(SOURCES, { recursive: true })) {
    if (!name.endsWith('.ts') || name.endsWith('.test.ts')) continue;
    const { outputText } = ts.transpileModule(readFileSync(join(SOURCES, name), 'utf8'), {
      compilerOptions: {
        target: ts.ScriptTarget.ES2023,
        module: ts.ModuleKind.ESNext,
        rewriteRelativeImportExtensions: true,
        verbatimModuleSyntax: true,
      },
    });
    const path = join(into, name.replace(/ts$/, 'js'));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, outputText);
  }
}

const dir = runDirectory();
compile(join(dir, 'code'));
const { main } = await import(pathToFileURL(join(dir, 'code/run.js')).href);
process.exitCode = await main(ROOT, dir, process.argv.slice(2));

/**
 * Lets a generator import modules of `src/` as they stand, without a build: Node 20 cannot run `.ts`, so the types are
 * stripped on the way in. Import this file first, then `await import('../../src/….ts')`.
 */
import { register } from 'node:module';

const hooks = `
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import ts from ${JSON.stringify(import.meta.resolve('typescript'))};
export async function load(url, context, next) {
  if (!url.endsWith('.ts')) return next(url, context);
  const text = await readFile(fileURLToPath(url), 'utf8');
  const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, verbatimModuleSyntax: true };
  const { outputText } = ts.transpileModule(text, { fileName: url, compilerOptions });
  return { format: 'module', source: outputText, shortCircuit: true };
}`;

register(`data:text/javascript,${encodeURIComponent(hooks)}`);

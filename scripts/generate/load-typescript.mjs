/**
 * Lets a generator import modules of `src/` as they stand, without a build: Node 20 cannot run `.ts`, so the types are
 * stripped on the way in. Import this file first, then `await import('../../src/….ts')`.
 *
 * What was stripped is kept by its content under node_modules/.cache: several generators run in each check, and the
 * compiler takes longer to load than all of them to run.
 */
import { mkdirSync } from 'node:fs';
import { register } from 'node:module';

const cache = new URL('../../node_modules/.cache/stripped/', import.meta.url);
mkdirSync(cache, { recursive: true });

const hooks = `
import { createHash } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';

async function strip(text, fileName) {
  const { default: ts } = await import(${JSON.stringify(import.meta.resolve('typescript'))});
  const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, verbatimModuleSyntax: true };
  return ts.transpileModule(text, { fileName, compilerOptions }).outputText;
}

async function stripped(text, url) {
  const kept = new URL(createHash('sha256').update(text).digest('hex') + '.mjs', ${JSON.stringify(cache.href)});
  try {
    return await readFile(kept, 'utf8');
  } catch {
    const source = await strip(text, url);
    // Renamed into place: another generator may be reading.
    const draft = new URL(kept.href + '.' + process.pid);
    await writeFile(draft, source);
    await rename(draft, kept);
    return source;
  }
}

export async function load(url, context, next) {
  if (!url.endsWith('.ts')) return next(url, context);
  const text = await readFile(new URL(url), 'utf8');
  return { format: 'module', source: await stripped(text, url), shortCircuit: true };
}`;

register(`data:text/javascript,${encodeURIComponent(hooks)}`);

/** What the checks share: listing files, parsing TypeScript, and one way to say what was found. */
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

/** Required, not imported: Node would read all of the compiler once more for the names that it exports. */
export const ts = createRequire(import.meta.url)('typescript');

const NOT_OURS = new Set(['node_modules', 'dist', '.git', '.cadenza', 'coverage', 'tmp']);

/** Files under `root` (relative, sorted, with `/`), without what git ignores. `keep` filters by relative path. */
export function listFiles(root, keep = () => true) {
  const found = [];
  const walk = (folder) => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      if (NOT_OURS.has(entry.name)) continue;
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) walk(path);
      else if (keep(path)) found.push(path);
    }
  };
  walk('');
  return found.sort();
}

export function isTest(file) {
  return /\.test\.ts$/.test(file);
}

/** A module of the product: TypeScript, or JavaScript where a thread must start without a build. */
export function isProductSource(file) {
  return /^src\/.*\.[cm]?[jt]sx?$/.test(file) && !/\.d\.[cm]?ts$/.test(file);
}

/** The modules of `src/`, without unit tests unless asked for. */
export function productSources(root, { tests = false } = {}) {
  return listFiles(root, (file) => isProductSource(file) && (tests || !isTest(file)));
}

const parsed = new Map();

/** Once a process: checks that run in one share it. */
export function parse(root, file) {
  const path = join(root, file);
  if (!parsed.has(path)) {
    parsed.set(path, ts.createSourceFile(file, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true));
  }
  return parsed.get(path);
}

/** Visits every node below `node`. */
export function visit(node, see) {
  see(node);
  node.forEachChild((child) => visit(child, see));
}

export function lineOf(source, node) {
  return source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
}

/**
 * Runs one check as a program: `node scripts/check/NAME.mjs [ROOT]`. `check(root)` answers
 * `{ looked, unit, findings: [{ file, line?, message }] }`; looking at nothing is a failure of its own, because a check
 * that finds no input is green for the wrong reason.
 */
export async function main(name, check) {
  const root = resolve(process.argv[2] ?? '.');
  const { looked, unit, findings, notes = [] } = await check(root);
  for (const { file, line, message } of findings) {
    console.log(`${file}${line === undefined ? '' : `:${line}`} ${message}`);
  }
  for (const note of notes) console.log(`note: ${note}`);
  if (looked === 0) console.log(`${name}: found no ${unit} to look at`);
  console.log(`${name}: ${looked} ${unit}, ${findings.length} findings`);
  if (findings.length > 0 || looked === 0) process.exitCode = 1;
}

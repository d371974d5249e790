/**
 * Rooms import only what the table in `rooms.mjs` lets them, and the environment is read in one file.
 *
 * dependency-cruiser is green on modules it cannot read (with a TypeScript it does not support it reads none), so the
 * modules it looked at are compared with the files on disk: fewer is red.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ENVIRONMENT_READER, hasRoom } from './rooms.mjs';
import { lineOf, main, parse, productSources, ts, visit } from './sources.mjs';

const OUTPUT_LIMIT = 256 * 1024 * 1024;
const CRUISER = fileURLToPath(
  new URL('../../node_modules/dependency-cruiser/bin/dependency-cruise.mjs', import.meta.url),
);

function cruise(root) {
  const folders = ['src', 'test', 'console'].filter((folder) => existsSync(join(root, folder)));
  const run = spawnSync(
    process.execPath,
    ['--max-semi-space-size=64', CRUISER, '--output-type', 'json', '--no-cache', '--no-progress', ...folders],
    { cwd: root, encoding: 'utf8', maxBuffer: OUTPUT_LIMIT },
  );
  try {
    return JSON.parse(run.stdout);
  } catch (cause) {
    throw new Error(`dependency-cruiser gave no result: ${run.stderr}${run.stdout.slice(0, 2000)}`, {
      cause,
    });
  }
}

function describe({ rule, from, to, cycle }) {
  const way = cycle ? [from, ...cycle.map((step) => step.name ?? step)].join(' -> ') : `imports ${to}`;
  return { file: from, message: `${rule.name}: ${way}` };
}

/** Places where a source reads the environment: `process.env` in any spelling, or `env` of `node:process`. */
function environmentReads(source) {
  const lines = [];
  const isProcess = (node) =>
    (ts.isIdentifier(node) && node.text === 'process') ||
    (ts.isPropertyAccessExpression(node) && node.name.text === 'process');
  visit(source, (node) => {
    const reads =
      (ts.isPropertyAccessExpression(node) && node.name.text === 'env' && isProcess(node.expression)) ||
      (ts.isElementAccessExpression(node) &&
        isProcess(node.expression) &&
        node.argumentExpression.getText(source).slice(1, -1) === 'env') ||
      (ts.isVariableDeclaration(node) &&
        node.initializer !== undefined &&
        isProcess(node.initializer) &&
        ts.isObjectBindingPattern(node.name) &&
        node.name.elements.some(
          (element) => (element.propertyName ?? element.name).getText(source) === 'env',
        )) ||
      (ts.isImportDeclaration(node) &&
        /^(node:)?process$/.test(node.moduleSpecifier.text) &&
        // A renamed process would hide its reads; nothing needs one.
        !(node.importClause?.name?.text === 'process' && node.importClause.namedBindings === undefined));
    if (reads) lines.push(lineOf(source, node));
  });
  return lines;
}

await main('architecture', (root) => {
  const files = productSources(root, { tests: true });
  const result = cruise(root);
  const seen = new Set(result.modules.map((module) => module.source));
  const looked = files.filter((file) => seen.has(file)).length;
  const findings = result.summary.violations.map(describe);
  if (looked < files.length) {
    const missed = files.find((file) => !seen.has(file));
    const message = `dependency-cruiser looked at ${looked} modules of ${files.length}, not at ${missed}`;
    return { looked, unit: 'modules', findings: [...findings, { file: 'src', message }] };
  }
  for (const file of files) {
    if (!hasRoom(file.replace(/\.test\.ts$/, '.ts')))
      findings.push({ file, message: 'belongs to no room of scripts/check/rooms.mjs' });
  }
  for (const file of productSources(root)) {
    if (file === ENVIRONMENT_READER) continue;
    for (const line of new Set(environmentReads(parse(root, file)))) {
      findings.push({ file, line, message: `reads the environment; only ${ENVIRONMENT_READER} may` });
    }
  }
  return { looked, unit: 'modules', findings };
});

/** A file over 400 lines or a function over 70 wants splitting by meaning. Exceptions stand in one list, with reasons. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { LONG } from './sizes-allowed.mjs';
import { isProductSource, isTest, lineOf, listFiles, main, parse, ts, visit } from './sources.mjs';

const FILE_LIMIT = 400;
const FUNCTION_LIMIT = 70;

function functionName(source, node) {
  if (node.name) return node.name.getText(source);
  const { parent } = node;
  if (ts.isConstructorDeclaration(node)) return 'constructor';
  if (ts.isVariableDeclaration(parent) || ts.isPropertyAssignment(parent)) return parent.name.getText(source);
  return `function at line ${lineOf(source, node)}`;
}

function longFunctions(source) {
  const long = [];
  visit(source, (node) => {
    if (!ts.isFunctionLike(node) || !node.body) return;
    const start = lineOf(source, node);
    const end = source.getLineAndCharacterOfPosition(node.getEnd()).line + 1;
    const lines = end - start + 1;
    if (lines > FUNCTION_LIMIT) long.push({ name: functionName(source, node), line: start, lines });
  });
  return long;
}

function countLines(text) {
  return text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
}

await main('sizes', (root) => {
  const files = listFiles(root, (file) => isProductSource(file) || /^src\/.*\.sql$/.test(file)).filter(
    (file) => !isTest(file),
  );
  const findings = [];
  const excused = new Set();
  const judge = (file, name, finding) => {
    const entry = LONG.find((long) => long.file === file && long.function === name);
    if (entry) excused.add(entry);
    else findings.push({ file, ...finding });
  };
  for (const file of files) {
    const lines = countLines(readFileSync(join(root, file), 'utf8'));
    if (lines > FILE_LIMIT)
      judge(file, undefined, { message: `has ${lines} lines; the limit is ${FILE_LIMIT}` });
    if (file.endsWith('.sql')) continue;
    for (const { name, line, lines: length } of longFunctions(parse(root, file))) {
      judge(file, name, { line, message: `${name} has ${length} lines; the limit is ${FUNCTION_LIMIT}` });
    }
  }
  for (const entry of LONG) {
    if (!excused.has(entry)) {
      findings.push({
        file: entry.file,
        message: `${entry.function ?? 'the file'} is no longer long: take it off the list`,
      });
    }
  }
  return { looked: files.length, unit: 'files', findings };
});

/**
 * The commands of `cadenza`, read from the table `COMMANDS` in `src/cli/`: an object keyed by command (`'keys create'`),
 * or a list of objects with a `name`. Read as text, so that no build is needed.
 */
import { parse, ts, visit } from './sources.mjs';

function unwrap(node) {
  return ts.isAsExpression(node) || ts.isSatisfiesExpression(node) || ts.isParenthesizedExpression(node)
    ? unwrap(node.expression)
    : node;
}

function nameOf(object) {
  const property = object.properties.find((one) => one.name?.text === 'name');
  return property && ts.isPropertyAssignment(property) && ts.isStringLiteralLike(property.initializer)
    ? property.initializer.text
    : undefined;
}

function namesIn(table) {
  if (ts.isObjectLiteralExpression(table)) return table.properties.map((property) => property.name?.text);
  if (!ts.isArrayLiteralExpression(table)) return [];
  return table.elements.map((element) =>
    ts.isObjectLiteralExpression(element) ? nameOf(element) : undefined,
  );
}

/** The set of commands; undefined while there is no `src/cli/`. */
export function commandsOf(root, files) {
  const sources = files.filter((file) => /^src\/cli\/.*\.ts$/.test(file) && !file.endsWith('.test.ts'));
  if (sources.length === 0) return undefined;
  const names = new Set();
  for (const file of sources) {
    visit(parse(root, file), (node) => {
      if (ts.isVariableDeclaration(node) && node.name.getText() === 'COMMANDS' && node.initializer) {
        for (const name of namesIn(unwrap(node.initializer))) if (name) names.add(name);
      }
    });
  }
  if (names.size === 0) throw new Error('src/cli/ has no table COMMANDS whose keys or names can be read');
  return names;
}

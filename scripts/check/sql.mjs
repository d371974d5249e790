/**
 * [OPS-6] SQL is never built from strings. Refused in `src/` (unit tests aside):
 *   - a call of `query` whose text is concatenated or a template with `${}` that is not tagged `sql`, given directly, as
 *     `{ text }`, or through a variable of the same file;
 *   - such a text anywhere else when it reads like SQL, so that handing it to a wrapper does not hide it;
 *   - `sql.raw(…)` and its like over anything but a literal.
 *   - in `.sql` files, `EXECUTE` over text joined with `||`; `format()` with `%L` and `%I` quotes.
 * Identifiers cannot be parameters, so `src/db` (and no other room) may build a statement with the reason beside it:
 *   // sql-from-string: quoteIdentifier() has passed the role's name
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { lineOf, listFiles, main, parse, productSources, ts, visit } from './sources.mjs';

const RUNNERS = new Set(['query']);
const RAW = new Set(['raw', 'unsafe']);
const OUR_TAG = /(^|\.)sql$/;
const EXCEPTION = /\/\/\s*sql-from-string:\s*\S+/;
const MAY_EXCEPT = /^src\/db\//;

const LOOKS_LIKE_SQL = new RegExp(
  `^\\s*(${[
    '(begin|start\\s+transaction|commit|rollback)\\s*;',
    'select\\s[\\s\\S]*\\sfrom\\s',
    'select\\s+[\\w.$]*\\(',
    'insert\\s+into\\s',
    'update\\s+\\S+\\s+(\\w+\\s+)?set\\s',
    'delete\\s+from\\s',
    'with\\s+(recursive\\s+)?\\w+\\s+as\\s',
    '(create|alter|drop)\\s+(or\\s+replace\\s+)?(table|index|unique|role|user|database|schema|function|policy|view|type|sequence|extension|trigger|materialized)\\b',
    'grant\\s[\\s\\S]*\\sto\\s',
    'revoke\\s[\\s\\S]*\\sfrom\\s',
    'set\\s+(local|session|role)\\s',
    'truncate\\s+(table\\s+)?\\S+\\s*(;|,|$|cascade|restart)',
    '(un)?listen\\s+["$\\w]+\\s*(;|$)',
    'notify\\s+["$\\w]+\\s*(,|;|$)',
    "copy\\s+\\S+\\s*(\\([^)]*\\)\\s*)?(from|to)\\s+(stdin|stdout|program|')",
    'call\\s+\\w+\\(',
  ].join('|')})`,
  'i',
);

/** Is this expression put together from parts, some of them not literal? */
function isBuilt(node) {
  if (ts.isParenthesizedExpression(node) || ts.isAsExpression(node) || ts.isSatisfiesExpression(node)) {
    return isBuilt(node.expression);
  }
  if (ts.isTemplateExpression(node)) return true;
  // Any other tag than ours may do with the parts what it likes: String.raw just joins them.
  if (ts.isTaggedTemplateExpression(node)) {
    return !OUR_TAG.test(node.tag.getText()) && ts.isTemplateExpression(node.template);
  }
  if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken) {
    return !isLiteral(node);
  }
  if (ts.isConditionalExpression(node)) return isBuilt(node.whenTrue) || isBuilt(node.whenFalse);
  if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
    const method = node.expression.name.text;
    if (method === 'concat') return true;
    if (method === 'join') return ts.isArrayLiteralExpression(node.expression.expression);
    if (method === 'replace' || method === 'replaceAll') return isLiteral(node.expression.expression);
  }
  return false;
}

/** A string that stands in the source whole: `'a' + 'b'` over two lines is one. */
function isLiteral(node) {
  if (ts.isParenthesizedExpression(node)) return isLiteral(node.expression);
  if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken) {
    return isLiteral(node.left) && isLiteral(node.right);
  }
  return ts.isStringLiteralLike(node);
}

/** The text with `$` for every hole, as far as it can be read. */
function textOf(node) {
  if (ts.isParenthesizedExpression(node)) return textOf(node.expression);
  if (ts.isStringLiteralLike(node)) return node.text;
  if (ts.isTaggedTemplateExpression(node)) return textOf(node.template);
  if (ts.isTemplateExpression(node)) {
    return node.head.text + node.templateSpans.map((span) => `$${span.literal.text}`).join('');
  }
  if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken) {
    return textOf(node.left) + textOf(node.right);
  }
  return '$';
}

/** Names of this file whose value is put together: built where declared, assigned built, or grown with `+=`. */
function builtNames(source) {
  const names = new Set();
  visit(source, (node) => {
    if (ts.isVariableDeclaration(node) && node.initializer && isBuilt(node.initializer)) {
      names.add(node.name.getText(source));
    }
    if (ts.isBinaryExpression(node) && ts.isIdentifier(node.left)) {
      const kind = node.operatorToken.kind;
      if (kind === ts.SyntaxKind.PlusEqualsToken) names.add(node.left.text);
      if (kind === ts.SyntaxKind.EqualsToken && isBuilt(node.right)) names.add(node.left.text);
    }
  });
  return names;
}

function calleeName(call) {
  const { expression } = call;
  if (ts.isPropertyAccessExpression(expression)) return expression.name.text;
  return ts.isIdentifier(expression) ? expression.text : undefined;
}

/** The statement given to `query`: its first argument, or that argument's `text`. */
function statementOf(call) {
  const first = call.arguments[0];
  if (first === undefined || !ts.isObjectLiteralExpression(first)) return first;
  const text = first.properties.find((property) => property.name?.getText() === 'text');
  if (text === undefined) return undefined;
  return ts.isPropertyAssignment(text) ? text.initializer : text.name;
}

function problemOf(node, built) {
  if (ts.isCallExpression(node)) {
    const name = calleeName(node);
    const statement = RUNNERS.has(name) ? statementOf(node) : undefined;
    if (statement !== undefined) {
      if (isBuilt(statement)) return 'a statement built from strings; tag it sql`…`';
      if (ts.isIdentifier(statement) && built.has(statement.text)) {
        return `\`${statement.text}\` is a statement built from strings; tag it sql\`…\``;
      }
    }
    const raw = ts.isPropertyAccessExpression(node.expression) && RAW.has(name);
    const owner = raw ? node.expression.expression.getText() : '';
    if (raw && /^(sql|CompiledQuery)$/.test(owner) && node.arguments[0] && !isLiteral(node.arguments[0])) {
      return `${owner}.${name} over something that is no literal`;
    }
  }
  const outermost = !(
    ts.isBinaryExpression(node.parent ?? node) || ts.isParenthesizedExpression(node.parent ?? node)
  );
  if (outermost && isBuilt(node) && LOOKS_LIKE_SQL.test(textOf(node))) {
    return 'a text that reads like SQL is built from strings; tag it sql`…`';
  }
  return undefined;
}

/** The reason may stand on the statement's own first line or in the comment lines right above it. */
function hasReason(lines, line) {
  if (EXCEPTION.test(lines[line - 1])) return true;
  for (let above = line - 2; above >= 0 && /^\s*\/\//.test(lines[above]); above--) {
    if (EXCEPTION.test(lines[above])) return true;
  }
  return false;
}

/** `EXECUTE 'SET ROLE ' || name` in a function is the same mistake one language further down. */
function joinedExecutes(text) {
  const blank = (comment) => comment.replace(/[^\n]/g, ' ');
  const code = text.replace(/--[^\n]*|\/\*[\s\S]*?\*\//g, blank);
  return [...code.matchAll(/\bEXECUTE\s+(?!ON\b|FUNCTION\b|PROCEDURE\b)[^;]*?\|\|/gi)].map(
    (match) => code.slice(0, match.index).split('\n').length,
  );
}

await main('sql', (root) => {
  const files = productSources(root);
  const findings = [];
  const statements = listFiles(root, (file) => /^src\/.*\.sql$/.test(file));
  for (const file of statements) {
    for (const line of joinedExecutes(readFileSync(join(root, file), 'utf8'))) {
      findings.push({ file, line, message: 'EXECUTE over joined text; use format() with %L and %I' });
    }
  }
  for (const file of files) {
    const source = parse(root, file);
    const lines = source.text.split('\n');
    const built = builtNames(source);
    const reported = new Set();
    visit(source, (node) => {
      // Judged with its tag, one node up.
      if (node.parent && ts.isTaggedTemplateExpression(node.parent)) return;
      const message = problemOf(node, built);
      if (message === undefined) return;
      const line = lineOf(source, node);
      if (reported.has(line)) return;
      reported.add(line);
      if (MAY_EXCEPT.test(file) && hasReason(lines, line)) return;
      findings.push({ file, line, message });
    });
  }
  return { looked: files.length + statements.length, unit: 'files', findings };
});

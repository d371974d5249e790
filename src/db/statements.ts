/** Splits a migration file into statements: quotes, dollar quotes and comments are respected. */
export function splitStatements(source: string): string[] {
  const statements: string[] = [];
  const token = /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$([a-z_]*)\$[\s\S]*?\$\1\$|;/gi;
  let start = 0;
  for (const match of source.matchAll(token)) {
    if (match[0] !== ';') continue;
    push(statements, source.slice(start, match.index));
    start = match.index + 1;
  }
  push(statements, source.slice(start));
  return statements;
}

function push(statements: string[], text: string): void {
  const code = text.replace(/--[^\n]*|\/\*[\s\S]*?\*\//g, '').trim();
  if (code !== '') statements.push(text.trim());
}

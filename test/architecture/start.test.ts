/** What a command loads before it does anything: a listing does not wait for the modules of the server. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** The packages that a file brings in by its static imports and theirs; types leave nothing behind. */
function packagesOf(file: string, seen = new Set<string>()): Set<string> {
  const found = new Set<string>();
  if (seen.has(file)) return found;
  seen.add(file);
  const { statements } = ts.createSourceFile(
    file,
    readFileSync(join(ROOT, file), 'utf8'),
    ts.ScriptTarget.Latest,
  );
  for (const one of statements) {
    if (!ts.isImportDeclaration(one) || onlyTypes(one.importClause)) continue;
    const from = (one.moduleSpecifier as ts.StringLiteral).text;
    if (from.startsWith('.')) for (const name of packagesOf(join(dirname(file), from), seen)) found.add(name);
    else if (!from.startsWith('node:')) found.add(from);
  }
  return found;
}

function onlyTypes(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false;
  if (clause.isTypeOnly) return true;
  const named = clause.namedBindings;
  return (
    clause.name === undefined &&
    named !== undefined &&
    ts.isNamedImports(named) &&
    named.elements.every((element) => element.isTypeOnly)
  );
}

describe('[OPS-3] a command starts with what it needs', () => {
  test('[OPS-3] the help needs nothing at all', () => {
    expect([...packagesOf('src/cli/main.ts')]).toEqual([]);
  });

  test.each(['orgs', 'keys'])('[OPS-3] %s: the settings and the database, no more', (name) => {
    expect([...packagesOf(`src/cli/commands/${name}.ts`)].sort()).toEqual(['pg', 'zod']);
  });

  test.each(['senders', 'touches', 'enrollments', 'sequences', 'switch', 'why'])(
    '[OPS-3] %s: neither a server nor a mailer nor templates',
    (name) => {
      const found = [...packagesOf(`src/cli/commands/${name}.ts`)];
      expect(found).toContain('pg');
      for (const heavy of ['fastify', 'nodemailer', 'smtp-server', 'liquidjs', 'html-to-text', 'pino'])
        expect(found.filter((one) => one.startsWith(heavy))).toEqual([]);
    },
  );
});

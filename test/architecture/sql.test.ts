import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Planted, plant } from '../support/planted.ts';

/** Planted statements by name; each becomes a file of its own. `tx`, `name` and `sql` are in scope. */
const BUILT: Record<string, string> = {
  'a template with a hole': 'await tx.query(`select * from touches where id = ${name}`);',
  'a concatenation': "await tx.query('select * from touches where id = ' + name);",
  'a statement in an object': 'await tx.query({ text: `lock ${name}`, values: [] });',
  'a shorthand text': 'const text = `lock ${name}`;\nawait tx.query({ text });',
  'a variable built before': "const text = 'lock ' + name;\nawait tx.query(text);",
  'a variable that grows': "let text = 'lock';\ntext += name;\nawait tx.query(text);",
  'a joined list': "await tx.query(['lock', name].join(' '));",
  'a filled-in pattern': "await tx.query('lock $name'.replace('$name', name));",
  'one arm of a choice': "await tx.query(name ? `lock ${name}` : 'lock touches');",
  'String.raw': 'await tx.query(String.raw`lock ${name}`);',
  'SQL given to a wrapper': 'await rows(`select id from touches where org_id = ${name}`);',
  'SQL kept in a constant': "export const built = 'insert into touches values (' + name + ')';",
  'an update': 'await rows(`update touches set state = ${name}`);',
  'the raw escape hatch': 'await rows(sql.raw(name));',
  'the compiled escape hatch': 'await rows(CompiledQuery.raw(`lock ${name}`));',
  'a transaction and a setting': "await begin(`BEGIN; SET LOCAL app.org = '${name}'`);",
  'schema changes': 'await rows(`create table ${name} (id uuid)`);',
};
const SOUND: Record<string, string> = {
  'a plain statement': "await tx.query('select 1 from touches where id = $1', [name]);",
  'a statement over two lines': "await tx.query('select 1 ' + 'from touches');",
  'a template without a hole': 'await tx.query(`select 1 from touches`);',
  'the tag': 'await tx.query(sql`select 1 from touches where id = ${name}`);',
  'the tag with a row type':
    'await tx.query(sql<{ id: string }>`select id from touches where id = ${name}`);',
  'the tag of a namespace': 'await tx.query(db.sql`select 1 from touches where id = ${name}`);',
  'raw over a literal': "await rows(sql.raw('nulls last'));",
  'a sentence': 'log(`selected ${name} for sending, update follows`);',
  'another sentence': 'log(`listen to ${name} and update it: with care`);',
};

function fileOf(room: string, title: string): string {
  return `src/${room}/${title.replaceAll(' ', '-')}.ts`;
}

function sources(room: string, cases: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(cases).map(([title, text]) => [fileOf(room, title), `${text}\n`]));
}

describe('the check against SQL built from strings', () => {
  let project: Planted;
  let lines: string[];
  beforeAll(() => {
    const built = 'await tx.query(`set role ${name}`);\n';
    project = plant({
      ...sources('ledger', BUILT),
      ...sources('plan', SOUND),
      'src/db/with-reason.ts': `// sql-from-string: the name passed quoteIdentifier()\n// and nothing else reaches this\n${built}`,
      'src/db/with-reason-beside.ts':
        'await tx.query(`set role ${name}`); // sql-from-string: quoted above\n',
      'src/db/without-reason.ts': built,
      'src/db/empty-reason.ts': `// sql-from-string:\n${built}`,
      'src/ledger/joined.sql':
        "-- EXECUTE 'a' || b\nSELECT 'a' || 'b';\n\n  EXECUTE 'SET ROLE '\n    || role;\n",
      'src/ledger/formatted.sql':
        "  EXECUTE format('SET LOCAL app.org = %L', p_org);\n  v := 'a' || b;\nGRANT EXECUTE ON FUNCTION x TO y;\nSELECT 'a' || 'b';\n",
      'src/tenancy/with-reason.ts': `// sql-from-string: only src/db may say this\n${built}`,
      'src/ledger/planted.test.ts': built,
    });
    lines = project.run('sql').lines;
  });
  afterAll(() => project.remove());

  const guilty = (file: string) => lines.some((line) => line.startsWith(`${file}:`));

  it.each(Object.keys(BUILT))('[OPS-6] finds %s', (title) => {
    expect(guilty(fileOf('ledger', title)), lines.join('\n')).toBe(true);
  });

  it.each(Object.keys(SOUND))('[OPS-6] lets %s pass', (title) => {
    expect(guilty(fileOf('plan', title))).toBe(false);
  });

  it('[OPS-6] takes a reason in src/db, and only there', () => {
    expect(guilty('src/db/with-reason.ts')).toBe(false);
    expect(guilty('src/db/with-reason-beside.ts')).toBe(false);
    expect(guilty('src/db/without-reason.ts')).toBe(true);
    expect(guilty('src/db/empty-reason.ts')).toBe(true);
    expect(guilty('src/tenancy/with-reason.ts')).toBe(true);
  });

  it('[OPS-6] finds EXECUTE over joined text in SQL files, and lets format() pass', () => {
    expect(lines).toContainEqual(
      expect.stringMatching(/^src\/ledger\/joined\.sql:4 EXECUTE over joined text/),
    );
    expect(guilty('src/ledger/formatted.sql')).toBe(false);
  });

  it('[OPS-6] leaves unit tests alone, names the line and is red', () => {
    expect(guilty('src/ledger/planted.test.ts')).toBe(false);
    expect(lines).toContainEqual(expect.stringMatching(/^src\/ledger\/a-variable-built-before\.ts:2 /));
    expect(project.run('sql').status).toBe(1);
  });

  it('[OPS-6] is red when there is nothing to look at', () => {
    const empty = plant({ 'src/notes.md': 'no module\n' });
    try {
      expect(empty.run('sql')).toEqual({
        status: 1,
        lines: ['sql: found no files to look at', 'sql: 0 files, 0 findings'],
      });
    } finally {
      empty.remove();
    }
  });
});

/** Everything that a database holds, by table: a hash over all of its rows. Two that are equal hold the same. */
import { Database } from '../../src/db/database.ts';
import { sql } from '../../src/db/sql.ts';

export async function wholeDatabase(ownerUrl: string): Promise<Record<string, string>> {
  const owner = new Database({ url: ownerUrl, max: 1 });
  try {
    const tables = await owner.call<{ schema: string; name: string }>(sql`
      SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') ORDER BY 1, 2`);
    const hashes: Record<string, string> = {};
    for (const { schema, name } of tables) {
      const statement = await owner.call<{ text: string }>(
        sql`SELECT format('SELECT count(*) || '' '' || coalesce(md5(string_agg(md5(t::text), '''' ORDER BY md5(t::text))), '''') AS rows FROM %I.%I t', ${schema}::text, ${name}::text) AS text`,
      );
      const [row] = await owner.call<{ rows: string }>({ text: statement[0]!.text, values: [] });
      hashes[`${schema}.${name}`] = row!.rows;
    }
    return hashes;
  } finally {
    await owner.close();
  }
}

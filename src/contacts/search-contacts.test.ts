import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ContactsWorld, contactsWorld } from '../../test/support/contacts.ts';
import { Database } from '../db/database.ts';
import { type Sql, sql } from '../db/sql.ts';
import { newId } from '../kernel/ids.ts';
import type { Context } from '../tenancy/context.ts';
import { changeTags } from './change-tags.ts';
import { createContact } from './save-contact.ts';
import { listStatement, searchContacts, searchStatement } from './search-contacts.ts';

let world: ContactsWorld;
let big: Context;
beforeAll(async () => {
  world = await contactsWorld();
  big = await world.newOrg();
});
afterAll(() => world.close());

async function emails(ctx: Context, filter: { q?: string; tag?: string }, limit = 50): Promise<string[]> {
  const found: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await searchContacts(world.db, ctx, filter, { limit, cursor });
    expect(page.items.length).toBeLessThanOrEqual(limit);
    found.push(...page.items.map((contact) => contact.email!));
    cursor = page.next_cursor ?? undefined;
  } while (cursor !== undefined);
  return found;
}

describe('[CON-1] searching contacts', () => {
  beforeAll(async () => {
    const make = (email: string, more: object = {}) =>
      createContact(world.db, world.ours, { email, ...more });
    await make('zoe@x.example', { first_name: 'Zoë', last_name: 'Anders', company: 'Ännchen AG' });
    await make('bob@x.example', { first_name: 'Bob', last_name: 'Zo%ber', phone: '+12025550103' });
    await make('c@x.example', { first_name: 'Carl', last_name: 'Nor', company: 'Zo Ltd' });
    await make('zonk@x.example', { first_name: 'Dan', last_name: 'Zoll', company: 'Zoll' });
    await make('e@x.example', { first_name: 'ÉMILE', last_name: '王芳' });
  });

  it('[CON-1] finds the beginning of name, last name, company, e-mail and phone, each contact once', async () => {
    // "Zoë" has an accent: not found by "zo" followed by another letter, but by the letters it has.
    expect(await emails(world.ours, { q: 'ZO' })).toEqual([
      'zoe@x.example',
      'bob@x.example',
      'zonk@x.example',
      'c@x.example',
    ]);
    expect(await emails(world.ours, { q: 'zo%' })).toEqual(['bob@x.example']);
    expect(await emails(world.ours, { q: 'bob z' })).toEqual(['bob@x.example']);
    expect(await emails(world.ours, { q: '+1 (202) 555' })).toEqual(['bob@x.example']);
    expect(await emails(world.ours, { q: '1202' })).toEqual(['bob@x.example']);
    expect(await emails(world.ours, { q: '王' })).toEqual(['e@x.example']);
    expect(await emails(world.ours, { q: 'ber' })).toEqual([]);
    expect(await emails(world.theirs, { q: 'zo' })).toEqual([]);
  });

  it('[CON-1] gives the same contacts whatever the page size', async () => {
    const all = await emails(world.ours, { q: 'z' });
    for (const limit of [1, 2, 3]) expect(await emails(world.ours, { q: 'z' }, limit)).toEqual(all);
  });

  it('[CON-1] lists newest first, and by tag', async () => {
    const all = await emails(world.ours, {});
    expect(all[0]).toBe('e@x.example');
    expect(await emails(world.ours, {}, 2)).toEqual(all);
    const { items } = await searchContacts(world.db, world.ours, { q: 'zo' }, { limit: 2 });
    await changeTags(world.db, world.ours, { contact_ids: items.map(({ id }) => id), add: ['z'] });
    expect(await emails(world.ours, { tag: 'z' }, 1)).toEqual(['bob@x.example', 'zoe@x.example']);
    expect(await emails(world.ours, { tag: 'z', q: 'bob' })).toEqual(['bob@x.example']);
  });

  it('[OPS-2] each way is served by its index under a generic plan', async () => {
    await fill(20_000);
    const branches = (['name', 'last_name', 'company', 'email', 'phone'] as const).map((field) => ({
      field,
      prefix: 'a1',
    }));
    const id = newId();
    const plans: [Sql, string][] = [
      [listStatement(big, undefined, id, 51), 'contacts_pkey'],
      [listStatement(big, 'even', id, 51), 'contact_tags_pkey'],
      [searchStatement(big, branches, [0, '', id], undefined, 51), 'contacts_name'],
      [searchStatement(big, branches, [1, '', id], undefined, 51), 'contacts_last_name'],
      [searchStatement(big, branches, [2, '', id], undefined, 51), 'contacts_company'],
      [searchStatement(big, branches, [3, '', id], undefined, 51), 'contacts_email'],
      [searchStatement(big, branches, [4, '', id], undefined, 51), 'contacts_phone'],
      [searchStatement(big, branches, [0, 'a1', id], 'even', 51), 'contacts_name'],
    ];
    for (const [statement, index] of plans) {
      // Tags of the shown contacts are sorted, which is another matter.
      const [plan] = (await explain(statement)).split(/^ *SubPlan/m);
      expect(plan).toContain(index);
      expect(plan).not.toContain('Seq Scan');
      // A range of the index, and no sort of everything the prefix finds.
      expect(plan).toMatch(/Index Cond: \(.* AND .*\)/);
      expect(plan).not.toMatch(/-> +Sort /);
    }
  });
});

async function fill(rows: number): Promise<void> {
  const owner = new Database({ url: world.ownerUrl, max: 1 });
  await owner.inOrg(big.org, async (tx) => {
    await tx.run(sql`INSERT INTO contacts (org_id, id, first_name, last_name, company, email, phone)
      SELECT ${big.org}, gen_random_uuid(), 'a' || n, 'a' || n, 'a' || n, 'a' || n || '@example.com', '+1' || (2000000000 + n)
      FROM generate_series(1, ${rows}::int) n`);
    await tx.run(sql`INSERT INTO contact_tags (org_id, tag, contact_id)
      SELECT ${big.org}, 'even', id FROM contacts WHERE org_id = ${big.org} AND phone LIKE '%2'`);
  });
  await owner.outsideOrgs((tx) => tx.run(sql`ANALYZE contacts`));
  await owner.outsideOrgs((tx) => tx.run(sql`ANALYZE contact_tags`));
  await owner.close();
}

async function explain(statement: Sql): Promise<string> {
  const client = await world.db.pool.connect();
  try {
    await client.query(
      `BEGIN; SET LOCAL app.org = '${big.org}'; SET LOCAL plan_cache_mode = force_generic_plan`,
    );
    const types = statement.values
      .map((value) => (typeof value === 'number' ? 'bigint' : 'unknown'))
      .join(', ');
    await client.query(`PREPARE probe (${types}) AS ${statement.text}`);
    const values = statement.values.map((value) => client.escapeLiteral(String(value))).join(', ');
    const { rows } = await client.query(`EXPLAIN EXECUTE probe (${values})`);
    return rows.map((row) => row['QUERY PLAN']).join('\n');
  } finally {
    await client.query('ROLLBACK; DEALLOCATE ALL');
    client.release();
  }
}

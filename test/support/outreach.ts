/** What tests of enrolling need in an organization: contacts, a sender, published sequences, rows to look at. */
import type { Database, Row } from '../../src/db/database.ts';
import { sql } from '../../src/db/sql.ts';
import { newId, type Uuid } from '../../src/kernel/ids.ts';
import { definitionOf } from './engine.ts';

export async function makeContacts(
  db: Database,
  org: Uuid,
  count: number,
  given: { tag?: string; email?: null } = {},
): Promise<Uuid[]> {
  const ids = Array.from({ length: count }, () => newId());
  const list = `{${ids.join(',')}}`;
  await db.inOrg(org, async (tx) => {
    await tx.run(sql`
      INSERT INTO contacts (org_id, id, email, first_name)
      SELECT ${org}, u.id, CASE WHEN ${given.email === undefined} THEN 'p' || replace(u.id::text, '-', '') || '@example.com' END, 'Person'
        FROM unnest(${list}::uuid[]) u(id)`);
    if (given.tag)
      await tx.run(sql`
        INSERT INTO contact_tags (org_id, tag, contact_id) SELECT ${org}, ${given.tag}, u.id FROM unnest(${list}::uuid[]) u(id)`);
  });
  return ids;
}

export async function makeSender(db: Database, org: Uuid): Promise<Uuid> {
  const id = newId();
  await db.inOrg(org, (tx) =>
    tx.run(sql`
      INSERT INTO senders (org_id, id, channel, provider, name, from_address)
      VALUES (${org}, ${id}, 'email', 'test', 'Test', 'test@example.com')`),
  );
  return id;
}

export async function makeSequence(
  db: Database,
  org: Uuid,
  sender: Uuid,
  definition: Record<string, unknown> = {},
): Promise<Uuid> {
  const id = newId();
  await db.inOrg(org, (tx) =>
    tx.run(sql`
      INSERT INTO sequences (org_id, id, name, status, draft, created_by) VALUES (${org}, ${id}, 'Test', 'draft', '{}', 'test')`),
  );
  await publishVersion(db, org, id, sender, definition);
  return id;
}

/** A further version, which new enrollments get. */
export async function publishVersion(
  db: Database,
  org: Uuid,
  sequence: Uuid,
  sender: Uuid,
  definition: Record<string, unknown> = {},
): Promise<Uuid> {
  const version = newId();
  const body = JSON.stringify(definitionOf(sender, definition));
  await db.inOrg(org, async (tx) => {
    await tx.run(sql`
      INSERT INTO sequence_versions (org_id, id, sequence_id, number, definition, published_by)
      SELECT ${org}, ${version}, ${sequence}, 1 + count(*), ${body}, 'test' FROM sequence_versions WHERE org_id = ${org} AND sequence_id = ${sequence}`);
    await tx.run(sql`
      UPDATE sequences SET status = 'active', published_version_id = ${version} WHERE org_id = ${org} AND id = ${sequence}`);
  });
  return version;
}

/** The whole row, to see whether anything of it changed. */
export async function enrollmentRow(db: Database, org: Uuid, id: Uuid): Promise<Row> {
  return db.inOrg(org, (tx) =>
    tx.one(sql`SELECT to_jsonb(e) AS row FROM enrollments e WHERE org_id = ${org} AND id = ${id}`),
  );
}

export function oneStep(count = 1): Record<string, unknown> {
  return {
    steps: Array.from({ length: count }, (_, i) => ({
      channel: 'email',
      subject: `Step ${i + 1}`,
      body_text: 'Text',
      delay: { amount: i === 0 ? 0 : 1, unit: 'days' },
    })),
  };
}

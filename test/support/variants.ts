/** Steps with two arms, what came back from them, and a later version of their sequence. */
import { sql } from '../../src/db/sql.ts';
import { newId, type Uuid } from '../../src/kernel/ids.ts';
import { assignedArm } from '../../src/plan/sequences/variants/arm.ts';
import { definitionOf, type EngineWorld } from './engine.ts';

export const AB = [
  { key: 'a', subject: 'Arm a for {{ contact.first_name }}', body_text: 'Text of a' },
  { key: 'b', subject: 'Arm b for {{ contact.first_name }}', body_text: 'Text of b' },
];

/** An e-mail in two arms, and its follow-up in the thread a day later. */
export function varied(more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    steps: [
      { channel: 'email', variants: AB, ...more },
      { channel: 'email', delay: { amount: 1, unit: 'days' }, body_text: 'Two' },
    ],
  };
}

/** Ids of the steps of what is published. */
export async function stepIds(world: EngineWorld, sequence: Uuid): Promise<Uuid[]> {
  const [row] = await world.owner.call<{ ids: Uuid[] }>(sql`
    SELECT ARRAY(SELECT x ->> 'id' FROM jsonb_array_elements(v.definition -> 'steps') x) AS ids
      FROM sequences s JOIN sequence_versions v ON v.id = s.published_version_id WHERE s.id = ${sequence}::uuid`);
  return row!.ids;
}

export function armFor(step: Uuid, contact: Uuid, variants: { key: string; weight?: number }[] = AB): string {
  return assignedArm(
    step,
    contact,
    variants.map(({ key, weight = 1 }) => ({ key, weight })),
  );
}

/** Contacts of which so many are assigned to each arm. */
export async function contactsByArm(
  world: EngineWorld,
  step: Uuid,
  each: number,
): Promise<Record<'a' | 'b', Uuid[]>> {
  const found: Record<'a' | 'b', Uuid[]> = { a: [], b: [] };
  while (found.a.length < each || found.b.length < each) {
    for (const contact of await world.contacts(each * 3))
      found[armFor(step, contact) as 'a' | 'b'].push(contact);
  }
  return { a: found.a.slice(0, each), b: found.b.slice(0, each) };
}

/** The next version, with the steps' ids kept. */
export async function republish(world: EngineWorld, sequence: Uuid, steps: object[]): Promise<void> {
  const ids = await stepIds(world, sequence);
  const identified = steps.map((step, i) => ({ id: ids[i], ...step }));
  const body = JSON.stringify(definitionOf(world.sender, { steps: identified }));
  const version = newId();
  await world.db.inOrg(world.org, async (tx) => {
    await tx.run(sql`
      INSERT INTO sequence_versions (org_id, id, sequence_id, number, definition, published_by)
      SELECT ${world.org}, ${version}, ${sequence}, max(number) + 1, ${body}, 'test' FROM sequence_versions WHERE sequence_id = ${sequence}`);
    await tx.run(
      sql`UPDATE sequences SET published_version_id = ${version}, draft = ${body} WHERE id = ${sequence}`,
    );
  });
}

/** What somebody did with the messages of a step that they were sent. */
export async function told(
  world: EngineWorld,
  step: Uuid,
  contacts: readonly Uuid[],
  name: string,
  properties: Record<string, unknown> = {},
): Promise<void> {
  await world.db.inOrg(world.org, async (tx) => {
    const rows = await tx.rows<{ id: Uuid; contact_id: Uuid }>(
      sql`SELECT id, contact_id FROM touches WHERE org_id = ${world.org} AND step_id = ${step} AND contact_id = ANY (${[...contacts]})`,
    );
    for (const { id, contact_id } of rows)
      await tx.run(sql`
        INSERT INTO contact_events (org_id, id, contact_id, name, at, source, touch_id, told_by, properties)
        VALUES (${world.org}, ${newId()}, ${contact_id}, ${name}, now(), 'test', ${id}, 'test', ${JSON.stringify(properties)})`);
  });
}

/** Touches by hand: through the gate and settled with no worker about, so that a test says what comes when. */
import type { Database, Row } from '../../src/db/database.ts';
import { sql } from '../../src/db/sql.ts';
import { newId, type Uuid } from '../../src/kernel/ids.ts';
import { type ContactDay, type GateBatch, gate } from '../../src/ledger/gate.ts';
import { type Settlement, type SettleResult, settle } from '../../src/ledger/settle.ts';
import { readPlanning } from '../../src/plan/sequences/calendar.ts';
import { plannedTouch } from '../../src/plan/sequences/next.ts';
import { periodOf } from '../../src/schedule/period.ts';
import { quotaPeriod } from '../../src/senders/periods.ts';
import type { EngineWorld } from './engine.ts';

/** Contacts enrolled in a sequence of one or two steps, with the touch each waits for. */
export async function enrolled(
  world: EngineWorld,
  count = 1,
  definition: Record<string, unknown> = {},
): Promise<{ sequence: Uuid; contacts: Uuid[]; enrollments: Uuid[]; touches: Uuid[] }> {
  const sequence = await world.sequence(definition);
  const contacts = await world.contacts(count);
  const enrollments = await world.enroll(sequence, contacts);
  const touches = await Promise.all(
    enrollments.map(async (id) => (await enrollmentRow(world, id)).live_touch),
  );
  return { sequence, contacts, enrollments, touches };
}

export async function touchRow(world: EngineWorld, id: Uuid): Promise<Row> {
  const [row] = await world.owner.call(sql`SELECT * FROM touches WHERE id = ${id}::uuid`);
  return row!;
}

export async function enrollmentRow(world: EngineWorld, id: Uuid): Promise<Row> {
  const [row] = await world.owner.call(sql`SELECT * FROM enrollments WHERE id = ${id}::uuid`);
  return row!;
}

/** The touches of an enrollment, oldest first, as `step.n state`. */
export async function story(world: EngineWorld, enrollment: Uuid): Promise<string[]> {
  const rows = await world.owner.call<{ text: string }>(sql`
    SELECT t.step_no || '.' || t.n || ' ' || t.state AS text FROM touches t
     WHERE t.source_id = ${enrollment}::uuid ORDER BY t.generation, t.step_no, t.n`);
  return rows.map((row) => row.text);
}

/** What a sender has used, by period. */
export async function used(world: EngineWorld, sender = world.sender): Promise<Record<string, number>> {
  const rows = await world.owner.call<{ period: string; used: number }>(
    sql`SELECT period, used FROM sender_usage WHERE sender_id = ${sender}::uuid ORDER BY period`,
  );
  return Object.fromEntries(rows.map((row) => [row.period, row.used]));
}

/** What a worker that read and composed these touches now would ask. */
export async function gateBatch(
  world: EngineWorld,
  touches: readonly Uuid[],
  more: Partial<GateBatch> = {},
): Promise<GateBatch> {
  const rows = await world.owner.call(sql`
    SELECT t.id, t.sequence_id, t.sender_id, c.version AS contact_version, s.version AS sender_version,
           coalesce(t.hash, t.id) AS hash, '{}' AS contents
      FROM touches t JOIN contacts c ON c.org_id = t.org_id AND c.id = t.contact_id JOIN senders s ON s.org_id = t.org_id AND s.id = t.sender_id
     WHERE t.id = ANY (${[...touches]}::uuid[])`);
  const senders = [...new Set(rows.map((row) => row.sender_id as Uuid))];
  const planning = await world.db.inOrg(world.org, (tx) =>
    readPlanning(tx, world.org, senders, more.now ?? null),
  );
  const { organization, now } = planning;
  return {
    org: world.org,
    worker: 'test',
    token: newId(),
    lease_ms: 60_000,
    budget_ms: 1_000,
    policy_version: organization.policy_version,
    touches: touches.map((id) => rows.find((row) => row.id === id) as GateBatch['touches'][number]),
    periods: senders.map((id) => quotaPeriod(planning.senders.get(id)!, organization.time_zone, now)!),
    contact_day: organization.capped ? contactDay(now) : null,
    capped_channels: organization.capped_channels ?? [],
    ...more,
  };
}

/** In UTC, the zone of the organizations of tests. */
function contactDay(now: number): ContactDay {
  const { day, day_start_ms, day_end_ms } = periodOf(now, 'UTC')!;
  return { day, from: new Date(day_start_ms).toISOString(), until: new Date(day_end_ms).toISOString() };
}

/** Asks the gate; answers with each touch's verdict in order. */
export async function passGate(
  world: EngineWorld,
  touches: readonly Uuid[],
  more: Partial<GateBatch> & { db?: Database } = {},
): Promise<string[]> {
  const { db = world.db, ...rest } = more;
  const { verdicts } = await gate(db, await gateBatch(world, touches, rest));
  return touches.map((id) => verdicts.find((verdict) => verdict.id === id)!.verdict);
}

/** Through the gate, for sure; the token. */
export async function sending(
  world: EngineWorld,
  touches: readonly Uuid[],
  more: Partial<GateBatch> = {},
): Promise<Uuid> {
  const token = newId();
  const verdicts = await passGate(world, touches, { token, ...more });
  if (verdicts.some((verdict) => verdict !== 'go')) throw new Error(`the gate said ${verdicts.join(', ')}`);
  return token;
}

/** One outcome, as the worker that holds the token would write it. */
export async function settleOne(
  world: EngineWorld,
  token: Uuid | null,
  settlement: Omit<Settlement, 'source_id' | 'at'> & { at?: number },
  more: { db?: Database; now?: Date } = {},
): Promise<SettleResult> {
  const { source_id } = await touchRow(world, settlement.touch_id);
  const results = await settle(more.db ?? world.db, {
    org: world.org,
    token,
    actor: 'worker:test',
    settlements: [{ at: Date.now(), ...settlement, source_id }],
    now: more.now ?? null,
  });
  return results.get(settlement.touch_id)!;
}

/** The process that let it go is gone: its lease has run out. */
export async function expire(world: EngineWorld, token: Uuid): Promise<void> {
  await world.owner.call(
    sql`UPDATE gates SET lease_until = now() - interval '1 second' WHERE token = ${token}::uuid`,
  );
  await world.db.call(sql`SELECT gate_expire(${world.org}::uuid, 'worker:test', 1000)`);
}

/** The next step's touch, as a worker would plan it. */
export async function nextStep(world: EngineWorld, touch: Uuid) {
  const row = await touchRow(world, touch);
  const version = (await world.versions.one(world.org, row.version_id))!;
  const at = Date.now() + 86_400_000;
  return plannedTouch(
    version.definition,
    {
      enrollment_id: row.source_id,
      generation: row.generation,
      step_no: row.step_no + 1,
      n: 1,
      sender_id: world.sender,
    },
    { not_before: at, not_after: null },
  );
}

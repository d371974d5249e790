/** Events in batches: what costs a transaction of its own, one bad event among many, and enrolments written beside. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Database } from '../../src/db/database.ts';
import { sql } from '../../src/db/sql.ts';
import { readInbound } from '../../src/inbound/interpret.ts';
import { newId } from '../../src/kernel/ids.ts';
import { enrollContacts } from '../../src/plan/sequences/enroll.ts';
import { MAX_COLLEAGUES } from '../../src/plan/sequences/reactions/colleagues.ts';
import { tellEvents } from '../../src/records/tell-events.ts';
import { deliverNow } from '../support/deliver-now.ts';
import type { EngineWorld } from '../support/engine.ts';
import { reactAll, reactionsOf, stream, told } from '../support/happenings.ts';
import { connection, holdEvents, untilWaiting, untilWaitingOrEnded } from '../support/interleave.ts';
import { oneStep } from '../support/outreach.ts';
import { enrolled, enrollmentRow } from '../support/touches.ts';
import { worlds } from '../support/worlds.ts';

const worldOf = worlds();
let world: EngineWorld;
beforeEach(() => {
  world = worldOf();
});

class Counting extends Database {
  transactions = 0;
  override inOrg(...args: Parameters<Database['inOrg']>) {
    this.transactions++;
    return super.inOrg(...args) as never;
  }
  override call(...args: Parameters<Database['call']>) {
    this.transactions++;
    return super.call(...args) as never;
  }
}

async function counted(work: (db: Database) => Promise<unknown>): Promise<number> {
  const db = new Counting({ url: world.db.url, max: 2 });
  try {
    await work(db);
  } finally {
    await db.close();
  }
  return db.transactions;
}

/** While it works, a row that says so is refused by the table. */
async function refusing(table: string, row: string, work: () => Promise<void>): Promise<void> {
  await world.owner.pool.query(`ALTER TABLE ${table} ADD CONSTRAINT planted CHECK (NOT (${row})) NOT VALID`);
  try {
    await work();
  } finally {
    await world.owner.pool.query(`ALTER TABLE ${table} DROP CONSTRAINT planted`);
  }
}

/** Messages that were sent, and of each what its provider told, stored and not yet read. */
async function stored(count: number, facts: (n: number) => Record<string, unknown>) {
  const sent = await enrolled(world, count, oneStep(2));
  await deliverNow(world);
  const hook = newId();
  const call = newId();
  await world.db.inOrg(world.org, async (tx) => {
    await tx.run(sql`
      INSERT INTO inbound_calls (org_id, id, hook_id, query, headers, body) VALUES (${world.org}, ${call}, ${hook}, '', '{}', '')`);
    for (const [n, touch_id] of sent.touches.entries()) {
      const fact = JSON.stringify({ at: new Date().toISOString(), touch_id, ...facts(n) });
      await tx.run(sql`
        INSERT INTO inbound_events (org_id, sender_id, event_id, call_id, hook_id, fact, received_at)
        VALUES (${world.org}, ${world.sender}, ${`event.${n}`}, ${call}, ${hook}, ${fact}, clock_timestamp())`);
    }
  });
  return sent;
}

const read = (db: Database = world.db) =>
  readInbound({ db, versions: world.versions, log: world.engine.log }, world.org);

describe('a batch', () => {
  it('[INB-4] of opens and deliveries costs as many transactions as one of them', async () => {
    const { enrollments } = await stored(120, (n) => ({ type: n % 2 ? 'opened' : 'delivered' }));
    expect(await counted(read)).toBeLessThan(12);
    expect(await stream(world, enrollments[0]!)).toContain('delivered');
    expect(await stream(world, enrollments[119]!)).toContain('opened');
    const [row] = await world.owner.call(sql`
      SELECT count(*)::int AS events, count(reacted_at)::int AS reacted FROM contact_events WHERE org_id = ${world.org}::uuid`);
    expect(row).toEqual({ events: 120, reacted: 120 });
  });

  it('[INB-4] ends what hard bounces end, and suppresses these addresses alone', async () => {
    const { enrollments, contacts } = await stored(6, (n) => ({
      type: 'bounced',
      permanence: n < 2 ? 'hard' : 'soft',
    }));
    await read();
    const status = await Promise.all(enrollments.map(async (id) => (await enrollmentRow(world, id)).status));
    expect(status).toEqual(['bounced', 'bounced', 'active', 'active', 'active', 'active']);
    const rows = await world.owner.call(
      sql`SELECT contact_id, reason FROM suppressions WHERE org_id = ${world.org}::uuid ORDER BY contact_id`,
    );
    expect(rows).toEqual(
      contacts
        .slice(0, 2)
        .sort()
        .map((contact_id) => ({ contact_id, reason: 'hard_bounce' })),
    );
  });

  it('[INB-1] with an event that cannot be read is read without it', async () => {
    const { contacts } = await stored(5, () => ({ type: 'delivered' }));
    await refusing('contact_events', `external_id = 'event.2'`, async () => {
      await expect(read()).rejects.toThrow('planted');
    });
    const names = () =>
      world.owner.call<{ contact_id: string }>(
        sql`SELECT contact_id FROM contact_events WHERE org_id = ${world.org}::uuid AND reacted_at IS NOT NULL`,
      );
    expect((await names()).map((row) => row.contact_id).sort()).toEqual(
      contacts.filter((_, n) => n !== 2).sort(),
    );
    await read();
    expect(await names()).toHaveLength(5);
  });

  it('[INB-1] with an event that cannot be reacted to is reacted to without it', async () => {
    const { touches, enrollments } = await enrolled(world, 5, oneStep(2));
    await deliverNow(world);
    const events = touches.map((touch_id) => ({ touch_id, name: 'opened' }));
    const ids = (await tellEvents(world.db, world.ctx, 'api', events)).map((one) => one.event_id!);
    await refusing('events', `type = 'opened' AND touch_id = '${touches[2]}'`, async () => {
      await expect(reactAll(world)).rejects.toThrow('planted');
    });
    const opened = async () =>
      (await Promise.all(enrollments.map((id) => stream(world, id)))).map((all) => all.includes('opened'));
    expect(await opened()).toEqual([true, true, false, true, true]);
    await reactAll(world);
    expect(await opened()).toEqual([true, true, true, true, true]);
    for (const id of ids) expect(await reactionsOf(world, id)).toHaveLength(1);
  });
});

describe('colleagues', () => {
  it('[SEQ-11] of whom there are more than are paused: the event says so', async () => {
    const sequence = await world.sequence({ ...oneStep(2), on_reply_scope: 'company' });
    const contacts = await world.contacts(MAX_COLLEAGUES + 2);
    await world.db.inOrg(world.org, (tx) =>
      tx.run(sql`UPDATE contacts SET company = 'Acme' WHERE org_id = ${world.org}`),
    );
    await world.enroll(sequence, contacts);
    // Paused already, so that none has to be: what is decided is what counts.
    await world.owner.call(sql`
      UPDATE enrollments SET status = 'paused' WHERE org_id = ${world.org}::uuid AND contact_id <> ${contacts[0]!}::uuid`);
    const id = await told(world, { contact_id: contacts[0]!, name: 'message_received' });
    await reactAll(world);
    const reactions = await reactionsOf(world, id);
    expect(reactions.filter((one) => one.reason === 'colleague_replied')).toHaveLength(MAX_COLLEAGUES + 1);
    expect(reactions.filter((one) => one.detail === 'more_than_1000')).toMatchObject([
      { result: 'skipped', sequence_id: sequence, enrollment_id: null },
    ]);
  });
});

describe('an enrolment that is being written', () => {
  it('[SEQ-11] while an event of its contact is reacted to is ended by it', async () => {
    const [contact] = (await world.contacts(1)) as [string];
    const sequence = await world.sequence({ ...oneStep(), goals: [{ event: 'signed_up' }] });
    const held = await holdEvents(world);
    const enrolling = enrollContacts(connection(world, 'enroller'), world.versions, world.ctx, {
      sequence_id: sequence,
      contact_ids: [contact],
    });
    await untilWaiting(world, 'enroller');
    await told(world, { contact_id: contact, name: 'signed_up' });
    const reacting = reactAll(world, connection(world, 'reactor'));
    await untilWaitingOrEnded(world, 'reactor', reacting);
    await held.commit();
    await reacting;
    const [result] = await enrolling;
    expect(await enrollmentRow(world, result!.enrollment_id!)).toMatchObject({
      status: 'exited',
      status_reason: 'goal:signed_up',
    });
  });
});

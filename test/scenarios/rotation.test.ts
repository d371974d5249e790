/** Several senders on a channel: who gets a new contact, and that it stays with who began. */
import { beforeEach, describe, expect, it } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import { newId, type Uuid } from '../../src/kernel/ids.ts';
import { runEnrollmentJob } from '../../src/plan/sequences/bulk-enroll.ts';
import { createEnrollmentJob } from '../../src/plan/sequences/enrollment-jobs.ts';
import { act } from '../../src/plan/sequences/enrollments.ts';
import { moveEnrollments } from '../../src/plan/sequences/move-enrollments.ts';
import { previewSequence } from '../../src/plan/sequences/preview.ts';
import { hold } from '../../src/plan/stop.ts';
import { addSender, people } from '../support/channels.ts';
import { deliverNow } from '../support/deliver-now.ts';
import type { EngineWorld } from '../support/engine.ts';
import { publishVersion } from '../support/outreach.ts';
import { enrollmentRow, touchRow } from '../support/touches.ts';
import { worlds } from '../support/worlds.ts';

const worldOf = worlds();
let world: EngineWorld;
let small: Uuid;
let large: Uuid;
beforeEach(async () => {
  world = worldOf();
  [small, large] = [world.sender, await addSender(world, 'email', 'large@example.com')];
  await limit(small, 20);
  await limit(large, 200);
  await world.owner.call(sql`UPDATE organizations SET quiet_hours = NULL WHERE org_id = ${world.org}::uuid`);
});

async function limit(sender: Uuid, daily: number): Promise<void> {
  await world.owner.call(
    sql`UPDATE senders SET daily_limit = ${daily}, version = version + 1 WHERE id = ${sender}::uuid`,
  );
}

const email = { channel: 'email', subject: 'Hi', body_text: 'One' };
const tomorrow = { delay: { amount: 1, unit: 'days' } };

/** By contact: whom each of its e-mails went or is to go through, in order. */
async function through(): Promise<Map<Uuid, Uuid[]>> {
  const rows = await world.owner.call<{ contact_id: Uuid; senders: Uuid[] }>(sql`
    SELECT contact_id, array_agg(sender_id ORDER BY step_no) AS senders FROM touches
     WHERE org_id = ${world.org}::uuid AND channel = 'email' AND state <> 'cancelled' GROUP BY 1`);
  return new Map(rows.map((row) => [row.contact_id, row.senders]));
}

async function allDue(): Promise<void> {
  await world.owner.call(
    sql`UPDATE touches SET wake_at = now(), not_before = now() WHERE org_id = ${world.org}::uuid AND state = 'planned'`,
  );
}

async function bulk(sequence: Uuid, contact_ids: readonly Uuid[]): Promise<void> {
  const job = await createEnrollmentJob(world.db, world.versions, world.ctx, {
    sequence_id: sequence,
    contact_ids,
  });
  const logger = { warn: () => undefined };
  await runEnrollmentJob(world, world.org, job.job_id, { worker: 'test', logger });
}

describe('several senders on one channel', () => {
  it('[EXE-7] new contacts are divided by what each may send a day', async () => {
    const sequence = await world.sequence({ sender_ids: [small, large], steps: [email] });
    await bulk(sequence, await world.contacts(1_100));
    const given = [...(await through()).values()].filter(([id]) => id === small).length;
    // A hundred, within five standard deviations.
    expect(given).toBeGreaterThan(50);
    expect(given).toBeLessThan(150);
  });

  it('[EXE-7] follow-ups stay with the first, whatever becomes of the limits, other channels in between', async () => {
    const phone = await addSender(world, 'sms');
    const steps = [email, { channel: 'sms', body_text: 'Hi', ...tomorrow }, { ...email, ...tomorrow }];
    const sequence = await world.sequence({ sender_ids: [small, large, phone], steps });
    const contacts = await people(world, 20, '+4930123');
    const enrollments = await world.enroll(sequence, contacts);
    await deliverNow(world);
    await limit(small, 10_000);
    await limit(large, 1_000);
    await act(world.db, world.versions, world.ctx, enrollments[0]!, 'pause');
    await act(world.db, world.versions, world.ctx, enrollments[0]!, 'resume');
    for (let step = 0; step < 2; step++) {
      await allDue();
      await deliverNow(world);
    }
    expect(world.provider.calls).toHaveLength(60);
    for (const senders of (await through()).values()) {
      expect(senders).toHaveLength(2);
      expect(senders[1]).toBe(senders[0]);
    }
  });

  it('[EXE-7] where several channels have several senders, everybody keeps one of each, and begins with it', async () => {
    const phones = [await addSender(world, 'sms'), await addSender(world, 'sms')];
    await limit(large, 20);
    const steps = [email, { channel: 'sms', body_text: 'Hi', ...tomorrow }];
    const sequence = await world.sequence({ sender_ids: [small, phones[0], large, phones[1]], steps });
    await bulk(sequence, await people(world, 40, '+4930123'));
    const rows = await world.owner.call<{ kept: Uuid[]; sender: Uuid }>(sql`
      SELECT e.kept_senders AS kept, t.sender_id AS sender FROM enrollments e JOIN touches t ON t.id = e.live_touch
       WHERE e.sequence_id = ${sequence}`);
    expect(rows).toHaveLength(40);
    for (const { kept, sender } of rows) {
      expect(kept).toHaveLength(2);
      expect([small, large]).toContain(kept[0]);
      expect(phones).toContain(kept[1]);
      expect(sender).toBe(kept[0]);
    }
    expect(new Set(rows.map(({ kept }) => kept.join())).size).toBe(4);
  });

  it('[EXE-7] who is paused gets nobody new; who is begun anew is given one anew', async () => {
    const sequence = await world.sequence({ sender_ids: [small, large], steps: [email] });
    const contacts = await world.contacts(30);
    await limit(small, 1_000_000);
    const enrollments = await world.enroll(sequence, contacts);
    expect(new Set([...(await through()).values()].flat())).toEqual(new Set([small]));
    await hold(world.db, world.ctx, { class: 'sender', id: small, paused: true });
    await world.enroll(sequence, await world.contacts(30));
    const later = await through();
    for (const contact of contacts) later.delete(contact);
    expect(new Set([...later.values()].flat())).toEqual(new Set([large]));
    await act(world.db, world.versions, world.ctx, enrollments[0]!, 'restart');
    const row = await enrollmentRow(world, enrollments[0]!);
    expect(row.kept_senders).toEqual([large]);
    expect((await touchRow(world, row.live_touch)).sender_id).toBe(large);
  });

  it('[TEN-4] [EXE-7] the preview shows the sender that enrolling then gives', async () => {
    await limit(small, 200);
    const sequence = await world.sequence({ sender_ids: [small, large], steps: [email] });
    const contacts = await world.contacts(12);
    const shown: Uuid[] = [];
    for (const contact_id of contacts) {
      const input = { contact_id, unsubscribe_url: 'https://example.com/u' };
      const preview = await previewSequence(world.db, world.versions, world.ctx, sequence, input);
      shown.push(preview.steps[0]!.sender!.id);
    }
    await world.enroll(sequence, contacts);
    const given = await through();
    expect(contacts.map((contact) => given.get(contact)![0])).toEqual(shown);
    expect(new Set(shown).size).toBe(2);
  });

  it('[SEQ-1] [EXE-7] a version that names another sender beside leaves its enrollments where they are', async () => {
    const steps = [email, { ...email, ...tomorrow }].map((step) => ({ ...step, id: newId() }));
    const sequence = await world.sequence({ sender_ids: [large], steps });
    const contacts = await world.contacts(12);
    const enrollments = await world.enroll(sequence, contacts);
    expect((await enrollmentRow(world, enrollments[0]!)).kept_senders).toBeNull();
    await limit(small, 10_000);
    await publishVersion(world.db, world.org, sequence, small, { sender_ids: [small, large], steps });
    await moveEnrollments(world.db, world.versions, world.ctx, {
      sequence_id: sequence,
      enrollment_ids: enrollments,
    });
    expect(new Set([...(await through()).values()].flat())).toEqual(new Set([large]));
    expect((await enrollmentRow(world, enrollments[0]!)).kept_senders).toEqual([large]);
  });
});

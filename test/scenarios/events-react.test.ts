/** What events do to enrollments: goals, exits, replies, bounces, complaints; against what is in flight, late or repeated. */
import { beforeEach, describe, expect, it } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import { act } from '../../src/plan/sequences/enrollments.ts';
import { sequenceStats } from '../../src/plan/sequences/stats.ts';
import { children } from '../support/child.ts';
import { deliverNow } from '../support/deliver-now.ts';
import type { EngineWorld } from '../support/engine.ts';
import { happened, reactAll, reactionsOf, stream, told } from '../support/happenings.ts';
import { oneStep } from '../support/outreach.ts';
import {
  enrolled,
  enrollmentRow,
  nextStep,
  sending,
  settleOne,
  story,
  touchRow,
} from '../support/touches.ts';
import { worlds } from '../support/worlds.ts';

const worldOf = worlds();
let world: EngineWorld;
const startChild = children();
beforeEach(() => {
  world = worldOf();
});

const reply = (contact_id: string, more = {}) => ({ contact_id, name: 'message_received', ...more });
const statusOf = async (id: string) => {
  const { status, status_reason } = await enrollmentRow(world, id);
  return `${status} ${status_reason}`;
};

/** Every touch and every enrollment is somewhere [I3], and who is active waits for exactly one [I5]. */
async function conserved(sequence: string): Promise<void> {
  const { touches, enrollments } = await sequenceStats(world.db, world.ctx, sequence);
  expect(touches.sent + touches.failed + touches.skipped + touches.cancelled + touches.waiting).toBe(
    touches.total,
  );
  const [row] = await world.owner.call<{ waiting: number; wrong: number }>(sql`
    SELECT count(*) FILTER (WHERE t.live)::int AS waiting,
           count(DISTINCT e.id) FILTER (WHERE e.status = 'active' AND NOT EXISTS (SELECT FROM touches x WHERE x.id = e.live_touch AND x.live))::int AS wrong
      FROM enrollments e JOIN touches t ON t.source_id = e.id WHERE e.sequence_id = ${sequence}::uuid`);
  expect(row).toEqual({ waiting: touches.waiting, wrong: 0 });
  expect(enrollments.total).toBeGreaterThan(0);
}

describe('a reply', () => {
  it('[INB-2] [SEQ-11] pauses the enrollment it answers, by default, and is an event of its own', async () => {
    const { enrollments, contacts, sequence, touches } = await enrolled(world, 1, oneStep(2));
    await deliverNow(world);
    const [id] = enrollments as [string];
    expect(await happened(world, reply(contacts[0]!))).toMatchObject([
      { reaction: 'note', reason: 'replied', result: 'done', enrollment_id: id },
      { reaction: 'pause', reason: 'replied', result: 'done', enrollment_id: id },
    ]);
    expect(await statusOf(id)).toBe('paused replied');
    const [event] = await world.owner.call(
      sql`SELECT touch_id FROM contact_events WHERE contact_id = ${contacts[0]!}::uuid`,
    );
    expect(event).toEqual({ touch_id: touches[0] });
    expect(await story(world, id)).toEqual(['0.1 sent', '1.1 cancelled']);
    expect((await stream(world, id)).filter((type) => type === 'replied' || type === 'failed')).toEqual([
      'replied',
    ]);
    await conserved(sequence);
  });

  for (const [setting, status] of [
    ['exit', 'exited replied'],
    ['ignore', 'active enrolled'],
  ] as const)
    it(`[SEQ-11] with on_reply ${setting} it is ${status}`, async () => {
      const { enrollments, contacts } = await enrolled(world, 1, { ...oneStep(2), on_reply: setting });
      await deliverNow(world);
      await happened(world, reply(contacts[0]!));
      expect(await statusOf(enrollments[0]!)).toBe(status);
    });

  it('[INB-2] goes to the last sent touch before it; another sequence of the contact goes on', async () => {
    const first = await enrolled(world, 1, oneStep(2));
    const [contact] = first.contacts as [string];
    await deliverNow(world);
    const between = new Date();
    const other = await world.sequence(oneStep(2));
    const [second] = (await world.enroll(other, [contact])) as [string];
    await deliverNow(world);
    await happened(world, reply(contact));
    expect([await statusOf(first.enrollments[0]!), await statusOf(second)]).toEqual([
      'active enrolled',
      'paused replied',
    ]);
    await happened(world, reply(contact, { at: between }));
    expect(await statusOf(first.enrollments[0]!)).toBe('paused replied');
  });

  it('[INB-2] that names its touch goes to that one', async () => {
    const first = await enrolled(world, 1, oneStep(2));
    await deliverNow(world);
    const other = await world.sequence(oneStep(2));
    const [second] = (await world.enroll(other, first.contacts)) as [string];
    await deliverNow(world);
    await happened(world, { name: 'message_received', touch_id: first.touches[0]! });
    expect([await statusOf(first.enrollments[0]!), await statusOf(second)]).toEqual([
      'paused replied',
      'active enrolled',
    ]);
  });

  it('[INB-2] that answers nothing we sent pauses all that its contact is on the way through', async () => {
    const first = await enrolled(world, 1, oneStep());
    const other = await world.sequence(oneStep());
    const [second] = (await world.enroll(other, first.contacts)) as [string];
    await happened(world, reply(first.contacts[0]!));
    expect([await statusOf(first.enrollments[0]!), await statusOf(second)]).toEqual([
      'paused replied',
      'paused replied',
    ]);
    await deliverNow(world);
    expect(world.provider.calls).toEqual([]);
  });

  it('of an answering machine is noted and pauses nobody', async () => {
    const { enrollments, contacts } = await enrolled(world, 1, oneStep(2));
    await deliverNow(world);
    const reactions = await happened(world, reply(contacts[0]!, { properties: { auto_reply: true } }));
    expect(reactions.map((one) => one.reaction)).toEqual(['note']);
    expect(await statusOf(enrollments[0]!)).toBe('active enrolled');
  });

  it('[EXE-1] [EXE-3] while a touch is in flight: the receipt lists it, its outcome is recorded, nothing goes on', async () => {
    const { enrollments, contacts, touches, sequence } = await enrolled(world, 1, oneStep(2));
    const [id] = enrollments as [string];
    const token = await sending(world, touches);
    const next = await nextStep(world, touches[0]!);
    const reactions = await happened(world, reply(contacts[0]!));
    const stop = reactions.find((one) => one.reaction === 'pause')!;
    const [receipt] = await world.owner.call(
      sql`SELECT in_flight, not_started FROM receipts WHERE id = ${stop.receipt_id}::uuid`,
    );
    expect(receipt).toEqual({ in_flight: touches, not_started: 0 });
    expect(await settleOne(world, token, { touch_id: touches[0]!, outcome: 'sent', next })).toBe('late');
    expect(await story(world, id)).toEqual(['0.1 sent']);
    expect(await statusOf(id)).toBe('paused replied');
    await conserved(sequence);
  });
});

describe('colleagues', () => {
  async function people(...rows: { email: string; company?: string }[]): Promise<string[]> {
    const ids = await world.contacts(rows.length);
    await world.db.inOrg(world.org, async (tx) => {
      for (const [i, { email, company }] of rows.entries())
        await tx.run(sql`
          UPDATE contacts SET email = ${email}, company = ${company ?? null} WHERE org_id = ${world.org} AND id = ${ids[i]!}`);
    });
    return ids;
  }

  it('[SEQ-11] of the same company or domain are paused too, where the sequence says so', async () => {
    const contacts = await people(
      { email: 'ada@acme.test', company: 'Acme' },
      { email: 'bob@acme.test' },
      { email: 'cy@elsewhere.test', company: 'ACME' },
      { email: 'dee@other.test', company: 'Other' },
    );
    const sequence = await world.sequence({ ...oneStep(2), on_reply_scope: 'company' });
    const ids = await world.enroll(sequence, contacts);
    await deliverNow(world);
    await happened(world, reply(contacts[0]!));
    expect(await Promise.all(ids.map(statusOf))).toEqual([
      'paused replied',
      'paused colleague_replied',
      'paused colleague_replied',
      'active enrolled',
    ]);
    await conserved(sequence);
  });

  it('[SEQ-11] sharing a free-mail provider are none, nor where the sequence does not say so', async () => {
    const contacts = await people(
      { email: 'x@gmail.com' },
      { email: 'y@gmail.com' },
      { email: 'z@hotmail.co.uk' },
      { email: 'w@hotmail.co.uk' },
    );
    const sequence = await world.sequence({ ...oneStep(2), on_reply_scope: 'company' });
    const ids = await world.enroll(sequence, contacts);
    await deliverNow(world);
    await happened(world, reply(contacts[0]!));
    await happened(world, reply(contacts[2]!));
    expect(await Promise.all(ids.map(statusOf))).toEqual([
      'paused replied',
      'active enrolled',
      'paused replied',
      'active enrolled',
    ]);
  });
});

describe('a goal', () => {
  const goals = { ...oneStep(2), goals: [{ event: 'signed_up' }] };

  it('[SEQ-11] ends active and paused ones that began before it, once, and counts each', async () => {
    const { enrollments, contacts, sequence } = await enrolled(world, 2, goals);
    await act(world.db, world.versions, world.ctx, enrollments[1]!, 'pause');
    for (const contact_id of contacts) await happened(world, { contact_id, name: 'signed_up' });
    expect(await Promise.all(enrollments.map(statusOf))).toEqual(Array(2).fill('exited goal:signed_up'));
    expect((await sequenceStats(world.db, world.ctx, sequence)).conversions).toEqual({
      total: 2,
      contacts: 2,
      goals: [{ goal: 'signed_up', count: 2 }],
    });
    await deliverNow(world);
    expect(world.provider.calls).toEqual([]);
    await conserved(sequence);
  });

  it('[SEQ-11] older than the enrollment it does not end it, and says so', async () => {
    const { enrollments, contacts } = await enrolled(world, 1, goals);
    const at = new Date(Date.now() - 60_000);
    expect(await happened(world, { contact_id: contacts[0]!, name: 'signed_up', at })).toMatchObject([
      { reaction: 'exit', result: 'skipped', detail: 'older_than_the_enrollment' },
    ]);
    expect(await statusOf(enrollments[0]!)).toBe('active enrolled');
  });

  it('[SEQ-11] that happened before a restart does not end what was begun anew', async () => {
    const { enrollments, contacts } = await enrolled(world, 1, goals);
    const at = new Date();
    await act(world.db, world.versions, world.ctx, enrollments[0]!, 'restart');
    await happened(world, { contact_id: contacts[0]!, name: 'signed_up', at: new Date(at.getTime() - 1) });
    expect((await enrollmentRow(world, enrollments[0]!)).status).toBe('active');
    await happened(world, { contact_id: contacts[0]!, name: 'signed_up' });
    expect(await statusOf(enrollments[0]!)).toBe('exited goal:signed_up');
  });

  it('[SEQ-11] told twice it reacts once, and a person’s resume after it stands', async () => {
    const { enrollments, contacts, sequence } = await enrolled(world, 1, {
      ...goals,
      reenroll: { policy: 'if_ended' },
    });
    const [id] = enrollments as [string];
    const event = { contact_id: contacts[0]!, name: 'signed_up', external_id: 'once' };
    const first = await told(world, event);
    await reactAll(world);
    await act(world.db, world.versions, world.ctx, id, 'restart');
    expect(await told(world, event)).toBe(first);
    await reactAll(world);
    expect((await enrollmentRow(world, id)).status).toBe('active');
    expect((await sequenceStats(world.db, world.ctx, sequence)).conversions.total).toBe(1);
  });

  it('[EXE-3] a late settle after it records what happened and brings nothing back', async () => {
    const { enrollments, contacts, touches, sequence } = await enrolled(world, 1, goals);
    const token = await sending(world, touches);
    const next = await nextStep(world, touches[0]!);
    await happened(world, { contact_id: contacts[0]!, name: 'signed_up' });
    expect(
      await settleOne(world, token, { touch_id: touches[0]!, outcome: 'retry', wake: Date.now() + 1_000 }),
    ).toBe('late');
    expect((await touchRow(world, touches[0]!)).state).toBe('cancelled');
    expect(await statusOf(enrollments[0]!)).toBe('exited goal:signed_up');
    expect(next.id).not.toBeNull();
    await conserved(sequence);
  });
});

describe('what a provider tells', () => {
  it('[INB-4] a hard bounce ends the enrollment as bounced and suppresses the address it went to', async () => {
    const { enrollments, contacts, touches, sequence } = await enrolled(world, 1, oneStep(2));
    await deliverNow(world);
    const [{ email }] = (await world.owner.call(
      sql`SELECT email FROM contacts WHERE id = ${contacts[0]!}::uuid`,
    )) as [{ email: string }];
    const properties = { permanence: 'hard', recipient: email.toUpperCase() };
    const event = { name: 'bounced', touch_id: touches[0]!, properties };
    expect((await happened(world, event)).map((one) => [one.reaction, one.result])).toEqual([
      ['note', 'done'],
      ['bounce', 'done'],
      ['breaker', 'done'],
      ['suppress', 'done'],
    ]);
    expect(await statusOf(enrollments[0]!)).toBe('bounced hard_bounce');
    expect(
      await world.owner.call(
        sql`SELECT address, reason, touch_id FROM suppressions WHERE org_id = ${world.org}::uuid`,
      ),
    ).toEqual([{ address: email, reason: 'hard_bounce', touch_id: touches[0] }]);
    await conserved(sequence);
  });

  it('[INB-4] a soft one is noted alone', async () => {
    const { enrollments, touches } = await enrolled(world, 1, oneStep(2));
    await deliverNow(world);
    await happened(world, { name: 'bounced', touch_id: touches[0]!, properties: { permanence: 'soft' } });
    expect(await statusOf(enrollments[0]!)).toBe('active enrolled');
    expect(await stream(world, enrollments[0]!)).toContain('bounce');
  });

  it('[INB-4] [CON-4] a complaint suppresses, revokes consent and unsubscribes', async () => {
    const { enrollments, contacts, touches } = await enrolled(world, 1, oneStep(2));
    await deliverNow(world);
    await happened(world, { name: 'complained', touch_id: touches[0]! });
    expect((await enrollmentRow(world, enrollments[0]!)).status).toBe('unsubscribed');
    const [consent] = await world.owner.call(
      sql`SELECT channel, status, source FROM consents WHERE contact_id = ${contacts[0]!}::uuid`,
    );
    expect(consent).toEqual({ channel: 'email', status: 'revoked', source: 'complaint' });
    const [suppressed] = await world.owner.call(
      sql`SELECT reason FROM suppressions WHERE contact_id = ${contacts[0]!}::uuid`,
    );
    expect(suppressed).toEqual({ reason: 'complaint' });
  });

  it('[INB-4] opened, clicked and delivered stand at touch, step, enrollment and sequence, once', async () => {
    const { enrollments, touches, sequence } = await enrolled(world, 1, oneStep(2));
    await deliverNow(world);
    const events = ['delivered', 'opened', 'clicked'].map((name) => ({
      name,
      touch_id: touches[0]!,
      external_id: name,
    }));
    for (const event of [...events, ...events]) await told(world, event);
    await Promise.all([reactAll(world), reactAll(world)]);
    const rows = await world.owner.call(sql`
      SELECT type, touch_id, sequence_id, step_id IS NOT NULL AS step FROM events
       WHERE source_id = ${enrollments[0]!}::uuid AND type IN ('delivered', 'opened', 'clicked') ORDER BY type`);
    const at = { touch_id: touches[0], sequence_id: sequence, step: true };
    expect(rows).toEqual([
      { type: 'clicked', ...at },
      { type: 'delivered', ...at },
      { type: 'opened', ...at },
    ]);
    expect(await statusOf(enrollments[0]!)).toBe('active enrolled');
  });
});

describe('a sequence that what becomes of messages begins', () => {
  it('[SEQ-10] is begun by those of others, and never again by its own', async () => {
    const settings = { enroll_on: [{ event: 'delivered' }], reenroll: { policy: 'if_ended' } };
    const other = await world.sequence({ ...oneStep(), ...settings });
    const { enrollments, touches } = await enrolled(world, 1, { ...oneStep(), ...settings });
    await deliverNow(world);
    expect(await statusOf(enrollments[0]!)).toContain('completed');
    const found = await happened(world, { name: 'delivered', touch_id: touches[0]! });
    expect(found.filter((one) => one.reaction === 'enroll').map((one) => one.sequence_id)).toEqual([other]);
  });
});

describe('carried out again', () => {
  it('[INB-1] by several at once: one end, one conversion, one receipt, one enrolment', async () => {
    const target = await world.sequence({
      ...oneStep(),
      enroll_on: [{ event: 'signed_up' }],
      reenroll: { policy: 'if_ended' },
    });
    const { enrollments, contacts, sequence } = await enrolled(world, 8, {
      ...oneStep(2),
      goals: [{ event: 'signed_up' }],
    });
    const ids = [];
    for (const contact_id of contacts) ids.push(await told(world, { contact_id, name: 'signed_up' }));
    await Promise.all(Array.from({ length: 4 }, () => reactAll(world)));
    expect(await Promise.all(enrollments.map(statusOf))).toEqual(Array(8).fill('exited goal:signed_up'));
    expect((await sequenceStats(world.db, world.ctx, sequence)).conversions.total).toBe(8);
    expect((await sequenceStats(world.db, world.ctx, target)).enrollments.total).toBe(8);
    for (const id of ids)
      expect((await reactionsOf(world, id)).map((one) => [one.reaction, one.result])).toEqual([
        ['exit', 'done'],
        ['enroll', 'done'],
      ]);
    const [receipts] = await world.owner.call(
      sql`SELECT count(*)::int AS n FROM receipts WHERE org_id = ${world.org}::uuid`,
    );
    expect(receipts!.n).toBe(8);
    await conserved(sequence);
  });

  for (const point of ['after_flag', 'after_cancel', 'after_enroll'] as const)
    it(`[INB-1] after a process was killed ${point.replace('_', ' ')}: nothing is left half-way`, async () => {
      const target = await world.sequence({ ...oneStep(), enroll_on: [{ event: 'signed_up' }] });
      const { enrollments, contacts, sequence } = await enrolled(world, 1, {
        ...oneStep(2),
        goals: [{ event: 'signed_up' }],
      });
      const id = await told(world, { contact_id: contacts[0]!, name: 'signed_up' });
      const child = startChild('test/support/react-process.ts', [world.db.url, world.org, point]);
      expect(await child.line()).toEqual({ at: point });
      child.process.kill('SIGKILL');
      await child.ended;
      await reactAll(world);
      expect(await statusOf(enrollments[0]!)).toBe('exited goal:signed_up');
      expect(await story(world, enrollments[0]!)).toEqual(['0.1 cancelled']);
      const reactions = await reactionsOf(world, id);
      expect(reactions.map((one) => [one.reaction, one.result])).toEqual([
        ['exit', 'done'],
        ['enroll', 'done'],
      ]);
      expect((await sequenceStats(world.db, world.ctx, sequence)).conversions.total).toBe(1);
      expect((await sequenceStats(world.db, world.ctx, target)).enrollments).toMatchObject({
        active: 1,
        total: 1,
      });
      await conserved(sequence);
    });

  for (const point of ['after_flag', 'after_cancel'] as const)
    it(`[INB-1] after a process was killed ${point.replace('_', ' ')}, and a person began the enrollment anew: that stands`, async () => {
      const { enrollments, contacts } = await enrolled(world, 1, {
        ...oneStep(),
        goals: [{ event: 'signed_up' }],
      });
      const id = await told(world, { contact_id: contacts[0]!, name: 'signed_up' });
      const child = startChild('test/support/react-process.ts', [world.db.url, world.org, point]);
      await child.line();
      child.process.kill('SIGKILL');
      await child.ended;
      await act(world.db, world.versions, world.ctx, enrollments[0]!, 'restart');
      await reactAll(world);
      expect((await enrollmentRow(world, enrollments[0]!)).status).toBe('active');
      expect(await story(world, enrollments[0]!)).toEqual(['0.1 cancelled', '0.1 planned']);
      expect(await reactionsOf(world, id)).toMatchObject([{ reaction: 'exit', result: 'done' }]);
    });

  it('[INB-1] one that cannot be reacted to keeps nobody else waiting, and is tried again', async () => {
    const { enrollments, contacts } = await enrolled(world, 2, {
      ...oneStep(),
      goals: [{ event: 'signed_up' }],
    });
    const bad = await told(world, { contact_id: contacts[0]!, name: 'signed_up' });
    await told(world, { contact_id: contacts[1]!, name: 'signed_up' });
    // Something to do for it that cannot be done.
    await world.owner.call(sql`
      INSERT INTO event_reactions (org_id, event_id, reaction, subject_id, result) VALUES (${world.org}::uuid, ${bad}::uuid, 'exit', ${bad}::uuid, 'pending')`);
    await expect(reactAll(world)).rejects.toThrow();
    expect(await statusOf(enrollments[1]!)).toBe('exited goal:signed_up');
    await world.owner.call(
      sql`DELETE FROM event_reactions WHERE event_id = ${bad}::uuid AND subject_id = ${bad}::uuid`,
    );
    await reactAll(world);
    expect(await statusOf(enrollments[0]!)).toBe('exited goal:signed_up');
  });
});

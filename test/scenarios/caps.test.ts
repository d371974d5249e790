/** Frequency caps of contacts: over all channels and of single ones, by day and week, over all sources. */
import { beforeEach, describe, expect, it } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import type { Engine } from '../../src/dispatch/engine.ts';
import type { Uuid } from '../../src/kernel/ids.ts';
import type { Message } from '../../src/kernel/message.ts';
import { getOrganization, updateSettings } from '../../src/tenancy/organizations.ts';
import { addSender, people } from '../support/channels.ts';
import { deliverNow } from '../support/deliver-now.ts';
import { type EngineWorld, RecordingProvider } from '../support/engine.ts';
import { connection, holder, holdTouch, untilWaiting, untilWaitingOrEnded } from '../support/interleave.ts';
import { passGate, sending, settleOne, touchRow } from '../support/touches.ts';
import { worlds } from '../support/worlds.ts';

const worldOf = worlds();
let world: EngineWorld;
let phone: Uuid;
beforeEach(async () => {
  world = worldOf();
  phone = await addSender(world, 'sms');
});

const DAY_MS = 86_400_000;
const sms = { channel: 'sms', body_text: 'Hi' };
const email = { channel: 'email', subject: 'Hi', body_text: 'One' };

function cap(patch: Parameters<typeof updateSettings>[2]) {
  return updateSettings(world.db, world.ctx, patch);
}

/** A touch of each step for the contact, from a sequence of its own each. */
async function touchesOf(contact: Uuid, ...steps: Record<string, unknown>[]): Promise<Uuid[]> {
  const touches: Uuid[] = [];
  for (const step of steps) {
    const sequence = await world.sequence({ sender_ids: [world.sender, phone], steps: [step] });
    const [enrollment] = await world.enroll(sequence, [contact]);
    const [row] = await world.owner.call<{ live_touch: Uuid }>(
      sql`SELECT live_touch FROM enrollments WHERE id = ${enrollment}::uuid`,
    );
    touches.push(row!.live_touch);
  }
  return touches;
}

/** Everything that is counted was a day earlier. */
async function tomorrow(days = 1): Promise<void> {
  await world.owner.call(
    sql`UPDATE contact_usage SET day = day - ${days}::int WHERE org_id = ${world.org}::uuid`,
  );
  await world.owner.call(
    sql`UPDATE contact_channel_usage SET day = day - ${days}::int WHERE org_id = ${world.org}::uuid`,
  );
}

describe('the frequency caps of a contact', () => {
  it('[EXE-16] of a channel holds for that channel, over all sequences; others go on', async () => {
    await cap({ channel_caps: { sms: { day: 1, week: null } } });
    const [contact, other] = await people(world, 2);
    const touches = await touchesOf(contact!, sms, sms, email, email);
    expect(await passGate(world, touches)).toEqual(['go', 'channel_cap', 'go', 'go']);
    expect(await passGate(world, await touchesOf(other!, sms))).toEqual(['go']);
    expect(await passGate(world, await touchesOf(contact!, sms))).toEqual(['channel_cap']);
    await tomorrow();
    expect(await passGate(world, [touches[1]!])).toEqual(['go']);
  });

  it('[EXE-16] are stacked, and the one that keeps it longest is named', async () => {
    await cap({
      contact_daily_cap: 3,
      contact_weekly_cap: 5,
      channel_caps: { sms: { day: 1, week: 2 }, email: { day: null, week: null } },
    });
    const [contact] = await people(world, 1);
    expect(await passGate(world, await touchesOf(contact!, sms, sms))).toEqual(['go', 'channel_cap']);
    expect(await passGate(world, await touchesOf(contact!, email, email, email))).toEqual([
      'go',
      'go',
      'frequency_cap',
    ]);
    await tomorrow();
    expect(await passGate(world, await touchesOf(contact!, sms))).toEqual(['go']);
    await tomorrow();
    expect(await passGate(world, await touchesOf(contact!, sms))).toEqual(['channel_cap_week']);
    expect(await passGate(world, await touchesOf(contact!, email, email))).toEqual([
      'go',
      'frequency_cap_week',
    ]);
    // Seven days after the first two their places are free again.
    await tomorrow(5);
    expect(await passGate(world, await touchesOf(contact!, sms))).toEqual(['go']);
  });

  it('[EXE-10] [EXE-16] reached under two workers at once, everything goes on a later day and nothing is lost', async () => {
    await cap({ contact_weekly_cap: 4, channel_caps: { sms: { day: 1, week: 3 } } });
    const contacts = await people(world, 3, '+4930123');
    const expected: Uuid[] = [];
    for (const contact of contacts) expected.push(...(await touchesOf(contact, sms, sms, sms, sms, email)));
    let clock = Date.now() + 60_000;
    const provider = new RecordingProvider<Message>('N');
    const sent: { touch: Uuid; day: number; kind: string }[] = [];
    let day = 0;
    provider.answer = ({ touch_id, message }) => {
      sent.push({ touch: touch_id, day, kind: message.kind });
      return { kind: 'accepted' };
    };
    const engines: Engine[] = [1, 2].map(() => ({
      ...world.newEngine({ provider }),
      now: () => new Date(clock),
    }));
    await world.owner.call(
      sql`UPDATE organizations SET quiet_hours = NULL WHERE org_id = ${world.org}::uuid`,
    );
    for (; day < 12; day++) {
      await Promise.all(engines.map((engine) => deliverNow(world, engine)));
      clock += DAY_MS;
    }
    expect(sent.map(({ touch }) => touch).sort()).toEqual([...expected].sort());
    expect(sent.filter(({ kind }) => kind === 'sms').map((one) => one.day)).toEqual([
      ...Array(3).fill(0),
      ...Array(3).fill(1),
      ...Array(3).fill(2),
      ...Array(3).fill(7),
    ]);
    const reasons = await world.owner.call<{ reason: string }>(
      sql`SELECT DISTINCT reason FROM events WHERE org_id = ${world.org}::uuid AND type = 'postponed' ORDER BY 1`,
    );
    expect(reasons.map(({ reason }) => reason)).toEqual(
      expect.arrayContaining(['channel_cap', 'frequency_cap_week']),
    );
  });

  it('[EXE-16] of two gates one takes the last place in a channel', async () => {
    await cap({ channel_caps: { sms: { day: 2, week: null } } });
    const [contact] = await people(world, 1);
    await sending(world, await touchesOf(contact!, sms));
    const other = await addSender(world, 'sms', '+14155550109');
    const touches = await touchesOf(contact!, sms, sms);
    await world.owner.call(sql`UPDATE touches SET sender_id = ${other}::uuid WHERE id = ${touches[1]}::uuid`);
    const held = await holder(world, 'SELECT FROM contact_usage WHERE contact_id = $1 FOR UPDATE', [contact]);
    const verdicts = touches.map((touch) => passGate(world, [touch], { db: connection(world, 'cap gate') }));
    await untilWaiting(world, 'cap gate', 2);
    await held.rollback();
    expect((await Promise.all(verdicts)).flat().sort()).toEqual(['channel_cap', 'go']);
  });

  for (const [what, caps, reason] of [
    ['week', { contact_weekly_cap: 1 }, 'frequency_cap_week'],
    ["channel's week", { channel_caps: { sms: { day: null, week: 1 } } }, 'channel_cap_week'],
  ] as const)
    it(`[EXE-16] of two gates on either side of midnight one takes the last place of the ${what}`, async () => {
      await cap(caps);
      const [contact] = await people(world, 1);
      const other = await addSender(world, 'sms', '+14155550109');
      const touches = await touchesOf(contact!, sms, sms);
      await world.owner.call(sql`
        UPDATE touches SET not_after = NULL, sender_id = CASE WHEN id = ${touches[1]}::uuid THEN ${other}::uuid ELSE sender_id END
         WHERE id = ANY (${touches}::uuid[])`);
      const midnight = Date.UTC(new Date().getUTCFullYear() + 1, 0, 1);
      const held = await holdTouch(world, touches[0]!);
      const before = passGate(world, [touches[0]!], {
        db: connection(world, 'gate before'),
        now: new Date(midnight - 500),
      });
      await untilWaiting(world, 'gate before');
      const after = passGate(world, [touches[1]!], {
        db: connection(world, 'gate after'),
        now: new Date(midnight + 500),
      });
      await untilWaitingOrEnded(world, 'gate after', after);
      await held.rollback();
      expect([await before, await after].flat()).toEqual(['go', reason]);
    });

  it('[EXE-8] a refusal gets its place back', async () => {
    await cap({ channel_caps: { sms: { day: 1, week: null } } });
    const [contact] = await people(world, 1);
    const touches = await touchesOf(contact!, sms, sms);
    const token = await sending(world, [touches[0]!]);
    await settleOne(world, token, {
      touch_id: touches[0]!,
      outcome: 'failed',
      reason: 'blocked',
      ends: 'failed',
    });
    expect(await passGate(world, [touches[1]!])).toEqual(['go']);
  });

  it('[EXE-8] a cap set while a message was on its way counts from then on', async () => {
    await cap({ contact_daily_cap: 10 });
    const [contact] = await people(world, 1);
    const touches = await touchesOf(contact!, sms, sms, sms);
    const token = await sending(world, [touches[0]!]);
    await cap({ channel_caps: { sms: { day: 1, week: null } } });
    await sending(world, [touches[1]!]);
    await settleOne(world, token, {
      touch_id: touches[0]!,
      outcome: 'failed',
      reason: 'blocked',
      ends: 'failed',
    });
    expect((await touchRow(world, touches[0]!)).state).toBe('failed');
    expect(await passGate(world, [touches[2]!])).toEqual(['channel_cap']);
  });

  it('[EXE-16] an organization without caps of channels counts none', async () => {
    await cap({ contact_daily_cap: 10 });
    const [contact] = await people(world, 1);
    await sending(world, await touchesOf(contact!, sms, email));
    expect(
      await world.owner.call(sql`SELECT FROM contact_channel_usage WHERE org_id = ${world.org}::uuid`),
    ).toEqual([]);
    expect((await getOrganization(world.db, world.ctx)).channel_caps).toBeNull();
    // Nor does it look after a week that is not capped.
    const days = await world.owner.call(
      sql`SELECT DISTINCT day FROM contact_usage WHERE org_id = ${world.org}::uuid`,
    );
    expect(days).toHaveLength(1);
  });
});

/** What a provider's refusal leads to: tries with waits between them, an end, or a suppression. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { SendOutcome } from '../../src/channels/channel.ts';
import { sql } from '../../src/db/sql.ts';
import { unsubscribe } from '../../src/plan/stop.ts';
import { deliverNow } from '../support/deliver-now.ts';
import type { EngineWorld } from '../support/engine.ts';
import { enrolled, enrollmentRow, passGate, settleOne, story, touchRow, used } from '../support/touches.ts';
import { worlds } from '../support/worlds.ts';

const worldOf = worlds();
let world: EngineWorld;
beforeEach(() => {
  world = worldOf();
});

const MINUTE_MS = 60_000;
const refusal = (
  reason: Extract<SendOutcome, { kind: 'refused' }>['reason'],
  permanence: 'permanent' | 'transient' | 'throttled',
): SendOutcome => ({ kind: 'refused', permanence, reason, response: `answered ${reason}` });

async function due(touch: string): Promise<void> {
  await world.owner.call(
    sql`UPDATE touches SET wake_at = now(), not_before = least(not_before, now()) WHERE id = ${touch}::uuid`,
  );
}

/** How long after its gate it is looked at again, in minutes. */
async function waits(touch: string): Promise<number> {
  const { wake_at, gated_at } = await touchRow(world, touch);
  return Math.round((wake_at.getTime() - gated_at.getTime()) / MINUTE_MS);
}

describe('refused for now', () => {
  it('[SEQ-12] [EXE-6] [EXE-8] three tries, 5 and 10 minutes apart, under one key, then failed', async () => {
    const { enrollments, touches } = await enrolled(world);
    const [touch] = touches as [string];
    world.provider.answer = () => refusal('greylisted', 'transient');
    await deliverNow(world);
    expect(await touchRow(world, touch)).toMatchObject({
      state: 'planned',
      attempt: 1,
      reason: 'greylisted',
    });
    expect(await waits(touch)).toBe(5);
    await deliverNow(world);
    expect(world.provider.calls).toHaveLength(1);
    await due(touch);
    await deliverNow(world);
    expect(await waits(touch)).toBe(10);
    await due(touch);
    await deliverNow(world);
    expect(await touchRow(world, touch)).toMatchObject({
      state: 'failed',
      attempt: 3,
      reason: 'tries_used_up',
    });
    expect(await enrollmentRow(world, enrollments[0]!)).toMatchObject({
      status: 'failed',
      status_reason: 'tries_used_up',
    });
    expect(new Set(world.provider.calls.map((call) => call.idempotency_key)).size).toBe(1);
    expect(world.provider.calls).toHaveLength(3);
    expect(Object.values(await used(world))).toEqual([0]);
  });

  it('[SEQ-12] a try that succeeds moves on and counts once', async () => {
    const { enrollments, touches } = await enrolled(world);
    world.provider.answer = () => refusal('throttled', 'throttled');
    await deliverNow(world);
    world.provider.answer = () => ({ kind: 'accepted' });
    await due(touches[0]!);
    await deliverNow(world);
    expect(await story(world, enrollments[0]!)).toEqual(['0.1 sent', '1.1 planned']);
    expect(Object.values(await used(world))).toEqual([1]);
  });

  it("[SEQ-12] a provider's longer wish is kept", async () => {
    const { touches } = await enrolled(world);
    world.provider.answer = () => ({
      kind: 'refused',
      permanence: 'throttled',
      reason: 'throttled',
      retry_after_ms: 25 * MINUTE_MS,
    });
    await deliverNow(world);
    expect(await waits(touches[0]!)).toBe(25);
  });
});

describe('refused for good', () => {
  it('[SEQ-12] fails at once', async () => {
    const { enrollments, touches } = await enrolled(world);
    world.provider.answer = () => refusal('content_rejected', 'permanent');
    await deliverNow(world);
    expect(await touchRow(world, touches[0]!)).toMatchObject({ state: 'failed', attempt: 1 });
    expect(await enrollmentRow(world, enrollments[0]!)).toMatchObject({
      status: 'failed',
      status_reason: 'content_rejected',
    });
    expect(world.provider.calls).toHaveLength(1);
    expect(Object.values(await used(world))).toEqual([0]);
  });

  it('[INB-4] [CON-6] a hard bounce ends the enrollment as bounced and suppresses the address', async () => {
    const { contacts, enrollments } = await enrolled(world);
    const other = await world.enroll(await world.sequence(), contacts);
    world.provider.answer = ({ touch_id }) =>
      touch_id === first ? refusal('mailbox_unknown', 'permanent') : { kind: 'accepted' };
    const first = (await enrollmentRow(world, enrollments[0]!)).live_touch;
    await world.owner.call(
      sql`UPDATE touches SET wake_at = now() + interval '1 hour', not_before = now() + interval '1 hour' WHERE source_id = ${other[0]}::uuid`,
    );
    await deliverNow(world);
    expect(await enrollmentRow(world, enrollments[0]!)).toMatchObject({
      status: 'bounced',
      status_reason: 'mailbox_unknown',
    });
    const suppressed = await world.owner.call(
      sql`SELECT reason, contact_id, touch_id FROM suppressions WHERE org_id = ${world.org}::uuid`,
    );
    expect(suppressed).toEqual([{ reason: 'hard_bounce', contact_id: contacts[0], touch_id: first }]);
    await due((await enrollmentRow(world, other[0]!)).live_touch);
    await deliverNow(world);
    expect(world.provider.calls).toHaveLength(1);
    expect(await enrollmentRow(world, other[0]!)).toMatchObject({
      status: 'bounced',
      status_reason: 'address_bounced',
    });
  });

  it.each(['permanent', 'transient'] as const)(
    '[EXE-15] a fault of our account (%s) holds the sender, and no touch fails for it',
    async (permanence) => {
      const { enrollments } = await enrolled(world, 3);
      world.provider.answer = () => refusal('bad_credentials', permanence);
      await deliverNow(world);
      await expect
        .poll(
          async () =>
            (await world.owner.call(sql`SELECT status FROM senders WHERE id = ${world.sender}::uuid`))[0],
        )
        .toEqual({ status: 'paused' });
      await deliverNow(world);
      for (const id of enrollments) {
        expect(await enrollmentRow(world, id)).toMatchObject({ status: 'active' });
        expect(await story(world, id)).toEqual(['0.1 planned']);
      }
    },
  );
});

describe('skipped', () => {
  const rules: [string, string, string, (contact: string) => Promise<unknown>][] = [
    [
      'no_address',
      'failed',
      'the contact lost its address',
      (contact) =>
        world.owner.call(
          sql`UPDATE contacts SET email = NULL, version = version + 1 WHERE id = ${contact}::uuid`,
        ),
    ],
    [
      'suppressed',
      'unsubscribed',
      'its address was suppressed',
      (contact) =>
        world.owner.call(sql`
          INSERT INTO suppressions (org_id, kind, address, reason, source)
          SELECT org_id, 'email', email, 'manual', 'test' FROM contacts WHERE id = ${contact}::uuid`),
    ],
    [
      'opted_out',
      'unsubscribed',
      'it revoked its consent',
      (contact) =>
        world.owner.call(sql`
          INSERT INTO consents (org_id, contact_id, channel, id, status, source, actor_type, actor_id)
          VALUES (${world.org}::uuid, ${contact}::uuid, 'email', gen_random_uuid(), 'revoked', 'test', 'system', 'test')`),
    ],
    [
      'no_consent',
      'failed',
      'consent became required',
      () =>
        world.owner.call(
          sql`UPDATE organizations SET consent_required = '{email}', policy_version = policy_version + 1 WHERE org_id = ${world.org}::uuid`,
        ),
    ],
  ];
  for (const [reason, status, because, change] of rules) {
    it(`[SEQ-13] [EXE-10] [CON-6] ${reason}: the enrollment ends with that reason when ${because}`, async () => {
      const { contacts, enrollments } = await enrolled(world);
      // After composing: the gate is the last to look.
      let changed = false;
      const engine = world.newEngine({
        async failpoint(name) {
          if (name !== 'before_gate' || changed) return;
          changed = true;
          await change(contacts[0]!);
        },
      });
      await deliverNow(world, engine);
      expect(changed).toBe(true);
      expect(world.provider.calls).toEqual([]);
      expect(await enrollmentRow(world, enrollments[0]!)).toMatchObject({ status, status_reason: reason });
      expect(await story(world, enrollments[0]!)).toEqual(['0.1 skipped']);
      const events = await world.owner.call(
        sql`SELECT type, reason FROM events WHERE source_id = ${enrollments[0]}::uuid AND type <> 'enrolled' ORDER BY type`,
      );
      expect(events).toContainEqual({ type: 'skipped', reason });
      expect(events).toContainEqual({ type: status, reason });
    });
  }

  it('[SEQ-13] a value that the template needs and the contact lacks', async () => {
    const { enrollments } = await enrolled(world, 1, {
      steps: [{ channel: 'email', subject: 'Hi', body_text: 'About {{ contact.company }}' }],
    });
    await deliverNow(world);
    expect(world.provider.calls).toEqual([]);
    expect(await enrollmentRow(world, enrollments[0]!)).toMatchObject({
      status: 'failed',
      status_reason: 'missing_variable',
    });
  });

  it('[SEQ-13] a paused enrollment is not ended by a skip found out meanwhile', async () => {
    const { contacts, enrollments, touches } = await enrolled(world);
    await unsubscribe(world.db, world.ctx, { contact_id: contacts[0]!, channel: 'email', source: 'api' });
    expect(await passGate(world, touches)).toEqual(['gone']);
    const skip = { touch_id: touches[0]!, outcome: 'skipped', reason: 'suppressed', ends: 'failed' } as const;
    expect(await settleOne(world, null, skip)).toBe('lost');
    expect(await enrollmentRow(world, enrollments[0]!)).toMatchObject({ status: 'unsubscribed' });
  });

  it('[EXE-10] what was composed before the contact changed is composed again, and goes with the new name', async () => {
    const { contacts } = await enrolled(world);
    let changed = false;
    const engine = world.newEngine({
      async failpoint(name) {
        if (name !== 'before_gate' || changed) return;
        changed = true;
        await world.owner.call(
          sql`UPDATE contacts SET first_name = 'Renamed', version = version + 1 WHERE id = ${contacts[0]}::uuid`,
        );
      },
    });
    await deliverNow(world, engine);
    expect(world.provider.calls.map((call) => call.message.subject)).toEqual(['Hello Renamed']);
  });

  it('[EXE-12] times are those of each sending, not of its batch', async () => {
    const { touches } = await enrolled(world, 2);
    // The second answers later, by more than the batch needs in all.
    world.provider.answer = async ({ touch_id }) => {
      if (touch_id === touches[1]) await new Promise((resolve) => setTimeout(resolve, 60));
      return { kind: 'accepted' };
    };
    await deliverNow(world, world.newEngine({ limits: { settle_after_ms: 1 } }));
    const rows = await Promise.all(touches.map((id) => touchRow(world, id)));
    const [a, b] = rows.map((row) => row.settled_at.getTime()) as [number, number];
    expect(b - a).toBeGreaterThanOrEqual(50);
    const next = await world.owner.call<{ wait: number }>(sql`
      SELECT extract(epoch FROM n.not_before - t.settled_at)::float8 AS wait FROM touches t
        JOIN touches n ON n.source_id = t.source_id AND n.step_no = 1 WHERE t.id = ANY (${touches}::uuid[])`);
    expect(next.map((row) => Math.round(row.wait))).toEqual([86_400, 86_400]);
  });
});

/** The circuit breaker of a sender: paused by itself when too many of its messages bounce or fail. */
import { beforeEach, describe, expect, it } from 'vitest';
import { LEDGER_CHECKS } from '../../src/api/checks.ts';
import type { RefusalReason, SendOutcome } from '../../src/channels/channel.ts';
import { sql } from '../../src/db/sql.ts';
import { hold, releaseHeld } from '../../src/plan/stop.ts';
import { tripReason, USUAL_BREAKER } from '../../src/senders/breaker.ts';
import { getSender } from '../../src/senders/show.ts';
import { deliverNow } from '../support/deliver-now.ts';
import type { EngineWorld } from '../support/engine.ts';
import { answered, type Flight, HARD_BOUNCE, letGo } from '../support/flight.ts';
import { happened } from '../support/happenings.ts';
import { enrolled } from '../support/touches.ts';
import { worlds } from '../support/worlds.ts';

const worldOf = worlds();
let world: EngineWorld;
beforeEach(() => {
  world = worldOf();
});

const ONE_STEP = { steps: [{ channel: 'email', subject: 'Hi', body_text: 'One' }] };
const sender = () => getSender(world.db, world.ctx, world.sender);

async function breaker(settings: typeof USUAL_BREAKER): Promise<void> {
  await world.owner.call(
    sql`UPDATE senders SET breaker = ${JSON.stringify(settings)}, version = version + 1 WHERE id = ${world.sender}::uuid`,
  );
}

/** Of the next calls every nth is refused for good. */
function refuseEvery(nth: number, reason: RefusalReason): void {
  let calls = 0;
  world.provider.answer = (): SendOutcome =>
    ++calls % nth === 0 ? { kind: 'refused', permanence: 'permanent', reason } : { kind: 'accepted' };
}

/** Small batches, so that the breaker can trip between them. */
const slow = () => world.newEngine({ limits: { batch: 10, touches_in_flight: 10 } });

async function states(): Promise<Record<string, number>> {
  const rows = await world.owner.call<{ state: string; n: number }>(
    sql`SELECT state, count(*)::int AS n FROM touches WHERE org_id = ${world.org}::uuid GROUP BY 1 ORDER BY 1`,
  );
  return Object.fromEntries(rows.map(({ state, n }) => [state, n]));
}

async function resume(): Promise<void> {
  const target = { class: 'sender' as const, id: world.sender };
  const { epoch } = await hold(world.db, world.ctx, { ...target, paused: false });
  await releaseHeld(world.db, { org: world.org, ...target, epoch });
}

describe('the circuit breaker of a sender', () => {
  it('[EXE-7] is paused when too many bounce, with the reason where people look; what is left waits', async () => {
    await breaker({ min_sends: 20, bounce_percent: 5, failure_percent: 50 });
    refuseEvery(5, 'mailbox_unknown');
    await enrolled(world, 100, ONE_STEP);
    await Promise.all([deliverNow(world, slow()), deliverNow(world, slow())]);
    const shown = await sender();
    expect(shown.status).toBe('paused');
    expect(shown.status_reason).toMatch(
      /^circuit_breaker: \d+ of \d+ messages since \d{4}-\d\d-\d\d bounced, more than 5 %$/,
    );
    const { planned, ...done } = await states();
    expect(planned).toBeGreaterThan(30);
    expect(planned! + Object.values(done).reduce((sum, n) => sum + n, 0)).toBe(100);
    const audited = await world.owner.call(sql`
      SELECT action, subject_id, actor_type, data ->> 'reason' AS reason FROM audit_log
       WHERE org_id = ${world.org}::uuid AND action LIKE 'sender.%'`);
    expect(audited).toEqual([
      { action: 'sender.pause', subject_id: world.sender, actor_type: 'worker', reason: shown.status_reason },
    ]);
    const check = LEDGER_CHECKS.find(({ name }) => name === 'tripped-senders')!;
    expect(await check.run(world.db, world.ctx)).toMatchObject({
      status: 'warn',
      data: { count: 1, senders: [{ id: world.sender, reason: shown.status_reason }] },
    });
  });

  it('[EXE-15] starts anew when a person resumes it, and nothing is lost or sent twice', async () => {
    await breaker({ min_sends: 20, bounce_percent: 5, failure_percent: 50 });
    refuseEvery(5, 'mailbox_unknown');
    await enrolled(world, 100, ONE_STEP);
    await deliverNow(world, slow());
    expect((await sender()).status).toBe('paused');
    const [, bounced, sends] = /(\d+) of (\d+) messages/.exec((await sender()).status_reason!)!;
    const tripped = (await sender()).usage!.record;
    expect(tripped.bounced).toBeGreaterThanOrEqual(Number(bounced));
    expect(tripped.sends).toBeGreaterThanOrEqual(Number(sends));
    world.provider.answer = () => ({ kind: 'accepted' });
    await resume();
    expect((await sender()).usage!.record).toMatchObject({ sends: 0, failed: 0, bounced: 0 });
    await deliverNow(world, slow());
    expect((await sender()).status).toBe('active');
    const { failed, sent, ...others } = await states();
    expect([failed! + sent!, others]).toEqual([100, {}]);
    expect(new Set(world.provider.calls.map((call) => call.touch_id)).size).toBe(world.provider.calls.length);
    const check = LEDGER_CHECKS.find(({ name }) => name === 'tripped-senders')!;
    expect(await check.run(world.db, world.ctx)).toMatchObject({ status: 'ok' });
  });

  const bounceLater = (touch: string) =>
    happened(world, { name: 'bounced', touch_id: touch, properties: { permanence: 'hard' } });

  it('[EXE-15] [EXE-7] what went before the resume neither thins nor fills the record that begins with it', async () => {
    await breaker({ min_sends: 10, bounce_percent: 20, failure_percent: 100 });
    const before = await enrolled(world, 40, ONE_STEP);
    await deliverNow(world, slow());
    for (const touch of before.touches.slice(0, 9)) await bounceLater(touch);
    const tripped = { sends: 40, failed: 9, bounced: 9 };
    expect(await sender()).toMatchObject({ status: 'paused', usage: { used_today: 40, record: tripped } });
    await bounceLater(before.touches[9]!);
    expect((await sender()).usage!.record).toMatchObject(tripped);
    await resume();
    await bounceLater(before.touches[10]!);
    expect((await sender()).usage!.record).toMatchObject({ sends: 0, failed: 0, bounced: 0 });
    const after = await enrolled(world, 10, ONE_STEP);
    await deliverNow(world, slow());
    expect(await sender()).toMatchObject({ usage: { used_today: 50, record: { sends: 10, bounced: 0 } } });
    for (const touch of after.touches.slice(0, 2)) await bounceLater(touch);
    expect((await sender()).status).toBe('active');
    await bounceLater(after.touches[2]!);
    expect((await sender()).status_reason).toContain('3 of 10 messages');
  });

  it('[EXE-15] [EXE-7] what was in flight over the resume is no part of the new record, whatever becomes of it', async () => {
    await breaker({ min_sends: 5, bounce_percent: 20, failure_percent: 100 });
    const { touches } = await enrolled(world, 7, ONE_STEP);
    const flights: Flight[] = [];
    for (const touch of touches.slice(0, 2)) flights.push(await letGo(world, touch, { soon: true }));
    await deliverNow(world, slow());
    for (const touch of touches.slice(2, 4)) await bounceLater(touch);
    expect((await sender()).status).toBe('paused');
    await resume();
    for (const flight of flights) await answered(world, flight, HARD_BOUNCE);
    expect(await sender()).toMatchObject({
      status: 'active',
      usage: { used_today: 5, record: { sends: 0, failed: 0, bounced: 0 } },
    });
  });

  it('[EXE-7] a pause of a person leaves the record as it is', async () => {
    await breaker({ min_sends: 10, bounce_percent: 20, failure_percent: 100 });
    const { touches } = await enrolled(world, 10, ONE_STEP);
    await deliverNow(world);
    await bounceLater(touches[0]!);
    await hold(world.db, world.ctx, { class: 'sender', id: world.sender, paused: true });
    await resume();
    expect((await sender()).usage!.record).toMatchObject({ sends: 10, failed: 1, bounced: 1 });
  });

  it('[EXE-7] goes by failures too, and by neither below the least sample nor for who asked for no more', async () => {
    await breaker({ min_sends: 30, bounce_percent: 100, failure_percent: 20 });
    refuseEvery(2, 'opted_out');
    await enrolled(world, 40, ONE_STEP);
    await deliverNow(world, slow());
    expect(await sender()).toMatchObject({ status: 'active', usage: { record: { sends: 20, failed: 0 } } });
    refuseEvery(1, 'content_rejected');
    await enrolled(world, 5, ONE_STEP);
    await deliverNow(world, slow());
    expect(await sender()).toMatchObject({
      status: 'active',
      usage: { record: { sends: 25, failed: 5, bounced: 0 } },
    });
    await enrolled(world, 10, ONE_STEP);
    await deliverNow(world, slow());
    expect((await sender()).status_reason).toContain('15 of 35 messages');
  });

  it('[EXE-7] its window slides: what failed before yesterday counts no more', async () => {
    await breaker({ min_sends: 10, bounce_percent: 5, failure_percent: 20 });
    await world.db.inOrg(world.org, (tx) =>
      tx.run(sql`
        INSERT INTO sender_usage (org_id, sender_id, period, used, failed, bounced)
        SELECT ${world.org}, ${world.sender}, 'd' || ((now() AT TIME ZONE 'UTC')::date - 2)::text, 0, 500, 500`),
    );
    await enrolled(world, 20, ONE_STEP);
    await deliverNow(world);
    expect(await sender()).toMatchObject({
      status: 'active',
      usage: { record: { sends: 20, failed: 0, bounced: 0 } },
    });
  });

  it('[EXE-7] trips above its floor, not at it, and from its least sample on', () => {
    const record = (sends: number, failed: number, bounced: number) => ({
      since: '2026-11-21',
      sends,
      failed,
      bounced,
    });
    expect(tripReason(null, record(49, 49, 49))).toBeNull();
    expect(tripReason(null, record(100, 5, 5))).toBeNull();
    expect(tripReason(null, record(100, 6, 6))).toContain(
      '6 of 100 messages since 2026-11-21 bounced, more than 5 %',
    );
    expect(tripReason(null, record(100, 20, 0))).toBeNull();
    expect(tripReason(null, record(100, 21, 0))).toContain('21 of 100 messages since 2026-11-21 failed');
    const never = { ...USUAL_BREAKER, bounce_percent: 100, failure_percent: 100 };
    expect(tripReason(never, record(100, 100, 100))).toBeNull();
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LEDGER_CHECKS } from '../../src/api/checks.ts';
import type { SendOutcome } from '../../src/channels/channel.ts';
import { sql } from '../../src/db/sql.ts';
import { BUDGET_PASSED } from '../../src/dispatch/outcomes.ts';
import { noteReach } from '../../src/dispatch/reach.ts';
import { deliverNow } from '../support/deliver-now.ts';
import { type EngineWorld, engineWorld } from '../support/engine.ts';
import { enrollmentRow, expire, sending } from '../support/touches.ts';
import { until } from '../support/until.ts';

describe('the health of the ledger', () => {
  let world: EngineWorld;
  beforeAll(async () => {
    world = await engineWorld();
  });
  afterAll(() => world.close());
  const check = async (name: string) =>
    (await LEDGER_CHECKS.find((one) => one.name === name)!.run(world.db, world.ctx)).status;

  it('[OPS-4] names active enrollments that wait for nothing, and late touches', async () => {
    const [enrollment] = await world.enroll(await world.sequence(), await world.contacts(1));
    expect(await check('waiting-touches')).toBe('ok');
    expect(await check('lag')).toBe('ok');
    await world.owner.call(
      sql`UPDATE touches SET wake_at = now() - interval '1 hour' WHERE source_id = ${enrollment}::uuid`,
    );
    expect(await check('lag')).toBe('fail');
    await world.owner.call(
      sql`UPDATE touches SET state = 'cancelled', live = false, wake_at = NULL, settled_at = now() WHERE source_id = ${enrollment}::uuid`,
    );
    expect(await check('waiting-touches')).toBe('fail');
    expect(await check('stuck-sends')).toBe('ok');
    expect(await check('needs-review')).toBe('ok');
  });

  it('[OPS-4] names sends that are stuck, and touches that wait for a person', async () => {
    const other = await world.another('N');
    (other.provider as { lookup?: unknown }).lookup = undefined;
    const [enrollment] = await other.enroll(await other.sequence(), await other.contacts(1));
    const { live_touch } = await enrollmentRow(other, enrollment!);
    const of = async (name: string) =>
      (await LEDGER_CHECKS.find((one) => one.name === name)!.run(other.db, other.ctx)).status;
    const token = await sending(other, [live_touch]);
    expect([await of('stuck-sends'), await of('needs-review')]).toEqual(['ok', 'ok']);
    await other.owner.call(
      sql`UPDATE gates SET lease_until = now() - interval '2 minutes' WHERE token = ${token}::uuid`,
    );
    expect(await of('stuck-sends')).toBe('fail');
    await expire(other, token);
    await deliverNow(other);
    expect([await of('stuck-sends'), await of('needs-review')]).toEqual(['ok', 'warn']);
  });

  it('[OPS-4] names a sender that cannot connect, until it does, and none whose process was too slow', async () => {
    const other = await world.another();
    const look = () =>
      LEDGER_CHECKS.find((one) => one.name === 'unreachable-senders')!.run(other.db, other.ctx);
    const sequence = await other.sequence();
    const sendOne = async (outcome: SendOutcome) => {
      other.provider.answer = () => outcome;
      await other.enroll(sequence, await other.contacts(1));
      await deliverNow(other);
    };
    // Our own doing, and no word about the provider.
    for (const reason of [BUDGET_PASSED, 'no free connection, or the rate is used up'])
      noteReach(
        other.engine,
        other.org,
        { id: other.sender, unreachable: false },
        { kind: 'not_started', reason },
      );
    expect((await look()).status).toBe('ok');
    await sendOne({ kind: 'not_started', reason: 'connect ECONNREFUSED 127.0.0.1:1' });
    await until(async () => (await look()).status === 'fail', 'the sender to be named');
    const { detail, data } = await look();
    expect(detail).toContain('ECONNREFUSED');
    expect(data).toMatchObject({ count: 1, senders: [{ id: other.sender }] });
    await sendOne({ kind: 'accepted' });
    await until(async () => (await look()).status === 'ok', 'the sender to be reached again');
  });

  it('[OPS-1] events of this month and the next three have partitions that only the parent opens', async () => {
    const rows = await world.owner.call(sql`
      SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity AS closed, has_table_privilege('cadenza_app', c.oid, 'SELECT') AS open
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'events'::regclass`);
    expect(rows).toHaveLength(5);
    for (const row of rows) expect(row).toMatchObject({ closed: true, open: false });
  });
});

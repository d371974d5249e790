/** A condition that the database cannot evaluate: its own touch ends, and its lane goes on (SEQ-14, EXE-10, EXE-13). */
import { beforeEach, describe, expect, it } from 'vitest';
import type { Database, Tx } from '../../src/db/database.ts';
import { type Sql, sql } from '../../src/db/sql.ts';
import type { Uuid } from '../../src/kernel/ids.ts';
import { explainTouch } from '../../src/ledger/explain.ts';
import { getEnrollment } from '../../src/plan/sequences/enrollments.ts';
import { deliverNow } from '../support/deliver-now.ts';
import type { EngineWorld } from '../support/engine.ts';
import { email, liveTouch, tag, VIP, waitFor, way } from '../support/waits.ts';
import { worlds } from '../support/worlds.ts';

const worldOf = worlds();
let world: EngineWorld;
beforeEach(() => {
  world = worldOf();
});

/** The same database, where looking at the conditions of one of these touches divides by zero, or reads what is not there. */
function planted(db: Database, touches: readonly Uuid[], looks: { count: number }, from?: string): Database {
  const plant = (statement: Sql): Sql => {
    if (!statement.text.includes('AS verdict')) return statement;
    looks.count++;
    const ids = touches.map((id) => `'${id}'::uuid`).join(', ');
    const bad = from === undefined ? `0 / (t.id NOT IN (${ids}))::int` : `(SELECT 0 ${from})`;
    const text = statement.text.replace('END AS verdict', `END + ${bad} AS verdict`);
    return { text, values: statement.values } as Sql;
  };
  return new Proxy(db, {
    get(target, key) {
      const value = Reflect.get(target, key, target);
      if (key !== 'inOrg') return typeof value === 'function' ? value.bind(target) : value;
      return (org: Uuid, work: (tx: Tx) => Promise<unknown>) =>
        target.inOrg(org, (tx) => work({ ...tx, rows: (statement) => tx.rows(plant(statement)) }));
    },
  });
}

describe('a condition that cannot be evaluated', () => {
  it('[SEQ-14] [EXE-13] ends the touches it fails for, with evidence, and all others of the batch go on', async () => {
    const sequence = await world.sequence({ steps: [waitFor(VIP, 3), email()] });
    const contacts = await world.contacts(9);
    const enrollments = await world.enroll(sequence, contacts);
    await tag(world, contacts[8]!, 'vip');
    const bad = [await liveTouch(world, enrollments[2]!), await liveTouch(world, enrollments[3]!)];
    const looks = { count: 0 };
    const db = planted(
      world.db,
      bad.map(({ id }) => id),
      looks,
    );
    await deliverNow(world, { ...world.newEngine(), db });
    expect(looks.count).toBeLessThan(20);
    for (const [i, enrollment] of enrollments.entries()) {
      const { status, status_reason } = await getEnrollment(world.db, world.org, enrollment);
      const expected =
        i === 2 || i === 3
          ? { status: 'failed', status_reason: 'condition_error', way: ['0 skipped condition_error'] }
          : i === 8
            ? { status: 'completed', status_reason: 'last_step', way: ['0 skipped condition_met', '1 sent'] }
            : { status: 'active', status_reason: 'enrolled', way: ['0 planned'] };
      expect({ status, status_reason, way: await way(world, enrollment) }, String(i)).toEqual(expected);
    }
    const explained = JSON.stringify(await explainTouch(world.db, world.org, bad[0]!.id));
    expect(explained).toContain('SQLSTATE 22012: division by zero');
  });

  it('[SEQ-14] is not what a table that is missing makes of it: nothing ends, and it is looked at again', async () => {
    const sequence = await world.sequence({ steps: [waitFor(VIP, 3), email()] });
    const [enrollment] = await world.enroll(sequence, await world.contacts(1));
    const db = planted(world.db, [], { count: 0 }, 'FROM contacts_of_tomorrow');
    await expect(deliverNow(world, { ...world.newEngine(), db })).rejects.toThrow(/contacts_of_tomorrow/);
    expect(await way(world, enrollment!)).toEqual(['0 planned']);
  });

  it('[SEQ-14] [EXE-13] of one version does not stop the sequence beside it in the lane', async () => {
    const broken = await world.sequence({
      steps: [email({ when: { attribute: 'seats', op: 'greater_than', value: 1 } })],
    });
    const sound = await world.sequence({ steps: [email({ when: VIP }), email()] });
    const [one, other] = await world.contacts(2);
    // As a fault of ours would leave it: what is published has passed the check.
    await world.owner.call(sql`
      UPDATE sequence_versions SET definition = jsonb_set(definition, '{steps,0,when,value}', '"many"')
       WHERE sequence_id = ${broken}::uuid`);
    const [bad] = await world.enroll(broken, [one!]);
    const [good] = await world.enroll(sound, [other!]);
    await tag(world, other!, 'vip');
    await deliverNow(world);
    expect(await way(world, bad!)).toEqual(['0 skipped condition_error']);
    expect(await way(world, good!)).toEqual(['0 sent', '1 sent']);
  });
});

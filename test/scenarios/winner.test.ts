/** Who decides that an arm has won: its rule once the numbers say so, or a person; never two at once. */
import { beforeEach, describe, expect, it } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import { newId, type Uuid } from '../../src/kernel/ids.ts';
import { publishSequence } from '../../src/plan/sequences/publish.ts';
import { sequenceStats } from '../../src/plan/sequences/stats.ts';
import { decideVariantsTask, lookAtRules, sayWinner } from '../../src/plan/sequences/variants/decide.ts';
import { deliverNow } from '../support/deliver-now.ts';
import { type EngineWorld, until } from '../support/engine.ts';
import { contactsByArm, stepIds, told, varied } from '../support/variants.ts';
import { worlds } from '../support/worlds.ts';

const worldOf = worlds();
let world: EngineWorld;
beforeEach(() => {
  world = worldOf();
});

const MINIMUM = 40;
const RULE = { by: 'replied', minimum_sample: MINIMUM };

interface Test {
  sequence: Uuid;
  step: Uuid;
  a: Uuid[];
  b: Uuid[];
}

/** Both arms sent to so many people each. */
async function sent(each = MINIMUM, rule: object = RULE): Promise<Test> {
  const sequence = await world.sequence(varied({ winner: rule }));
  const [step] = (await stepIds(world, sequence)) as [Uuid];
  const contacts = await contactsByArm(world, step, each);
  await world.enroll(sequence, [...contacts.a, ...contacts.b]);
  await deliverNow(world);
  return { sequence, step, ...contacts };
}

function decisions(step: Uuid) {
  return world.owner.call(sql`SELECT * FROM variant_decisions WHERE step_id = ${step}::uuid ORDER BY n`);
}

async function variantsOf({ sequence, step }: Test) {
  const { steps } = await sequenceStats(world.db, world.ctx, sequence);
  return steps.find((one) => one.step_id === step)!.variants!;
}

describe('the rule', () => {
  it('[SEQ-14] declares the arm that is better, with its numbers, once; from then on it is what goes out', async () => {
    const test = await sent();
    await told(world, test.step, test.b.slice(0, 20), 'message_received');
    await told(world, test.step, test.a.slice(0, 3), 'message_received');
    const looked = await lookAtRules(world.db, world.org, test.sequence);
    expect(looked).toMatchObject({ open: 0, decided: [{ variant: 'b', by_rule: true, n: 1 }] });
    expect(await decisions(test.step)).toMatchObject([
      {
        variant: 'b',
        by_rule: true,
        decided_by: 'system:winner_rule',
        rule: { ...RULE, confidence: 0.95, margin: 0 },
        figures: {
          arms: [
            { key: 'a', contacts: MINIMUM, replied: 3 },
            { key: 'b', contacts: MINIMUM, replied: 20 },
          ],
        },
      },
    ]);
    expect(await lookAtRules(world.db, world.org, test.sequence)).toMatchObject({ open: 0, decided: [] });
    const { a } = await contactsByArm(world, test.step, 1);
    await world.enroll(test.sequence, a);
    await deliverNow(world);
    expect(world.provider.calls.at(-1)!.message.subject).toMatch(/^Arm b/);
    const audit = await world.owner.call(
      sql`SELECT action, actor_id, data FROM audit_log WHERE org_id = ${world.org}::uuid AND action LIKE 'sequence.winner%'`,
    );
    expect(audit).toMatchObject([
      { action: 'sequence.winner', actor_id: 'winner_rule', data: { step_id: test.step, variant: 'b' } },
    ]);
  });

  it('[SEQ-14] waits for the minimum sample of every arm, and says so', async () => {
    const test = await sent(MINIMUM - 1);
    await told(world, test.step, test.b, 'message_received');
    expect(await lookAtRules(world.db, world.org, test.sequence)).toMatchObject({ open: 1, decided: [] });
    expect(await variantsOf(test)).toMatchObject({
      leader: 'b',
      winner: null,
      open: { code: 'minimum_sample', detail: expect.stringContaining(`39 people of at least ${MINIMUM}`) },
    });
  });

  it('[SEQ-14] waits while it may be chance', async () => {
    const test = await sent();
    await told(world, test.step, test.b.slice(0, 6), 'message_received');
    await told(world, test.step, test.a.slice(0, 4), 'message_received');
    expect(await lookAtRules(world.db, world.org, test.sequence)).toMatchObject({ open: 1, decided: [] });
    expect(await variantsOf(test)).toMatchObject({ leader: 'b', open: { code: 'not_significant' } });
    await told(world, test.step, test.b.slice(6, 30), 'message_received');
    expect((await variantsOf(test)).open).toMatchObject({ code: 'due' });
  });

  it('[SEQ-14] counts people, not clicks, and only what was done with the message of the step', async () => {
    const test = await sent(MINIMUM, { ...RULE, by: 'clicked' });
    for (let again = 0; again < 3; again++) await told(world, test.step, test.a.slice(0, 5), 'clicked');
    await told(world, test.step, test.b.slice(0, 7), 'opened');
    await told(world, test.step, test.b.slice(0, 2), 'message_received', { auto_reply: false });
    // what machines do says nothing
    await told(world, test.step, test.b, 'message_received', { auto_reply: true });
    await told(world, test.step, test.b, 'clicked', { machine: true });
    await world.db.inOrg(world.org, (tx) =>
      tx.run(sql`
        INSERT INTO contact_events (org_id, id, contact_id, name, at, source, touch_id, told_by)
        VALUES (${world.org}, ${newId()}, ${test.b[0]!}, 'clicked', now(), 'test', ${newId()}, 'test')`),
    );
    const { arms, by } = await variantsOf(test);
    expect(by).toBe('clicked');
    expect(arms).toMatchObject([
      { key: 'a', contacts: MINIMUM, clicked: 5, opened: 0, replied: 0, rate: 5 / MINIMUM },
      { key: 'b', contacts: MINIMUM, clicked: 0, opened: 7, replied: 2, rate: 0 },
    ]);
  });

  it('[SEQ-14] [SEQ-11] by goal: enrollments that left because theirs was reached, after the message', async () => {
    const test = await sent(MINIMUM, { ...RULE, by: 'goal' });
    const left = (contacts: Uuid[], reason: string, at: string) =>
      world.owner.call(sql`
        INSERT INTO events (org_id, at, type, reason, source_id, contact_id, sequence_id, actor)
        SELECT org_id, now() + ${at}::interval, 'exited', ${reason}, id, contact_id, sequence_id, 'test' FROM enrollments
         WHERE sequence_id = ${test.sequence}::uuid AND contact_id = ANY (${contacts})`);
    await left(test.b.slice(0, 20), 'goal:deal_won', '1 hour');
    await left(test.a.slice(0, 20), 'replied', '1 hour');
    await left(test.a.slice(20), 'goal:deal_won', '-1 hour');
    expect((await variantsOf(test)).arms).toMatchObject([{ goal: 0 }, { goal: 20 }]);
    expect(await lookAtRules(world.db, world.org, test.sequence)).toMatchObject({
      decided: [{ variant: 'b' }],
    });
  });

  it('[SEQ-14] however many decide at once, there is one decision', async () => {
    const test = await sent();
    await told(world, test.step, test.b.slice(0, 25), 'message_received');
    const looks = await Promise.all(
      Array.from({ length: 8 }, () => lookAtRules(world.db, world.org, test.sequence)),
    );
    expect(looks.flatMap((look) => look.decided)).toHaveLength(1);
    expect(await decisions(test.step)).toHaveLength(1);
  });

  it("[SEQ-14] a person's word that comes while the rule is counting stands", async () => {
    const test = await sent();
    await told(world, test.step, test.b.slice(0, 25), 'message_received');
    const at = { sequence: test.sequence, step: test.step };
    const counting = await world.owner.pool.connect();
    let look: ReturnType<typeof lookAtRules>;
    try {
      // The rule has read that nobody has decided, and cannot count yet.
      await counting.query('BEGIN; LOCK TABLE touches IN ACCESS EXCLUSIVE MODE');
      look = lookAtRules(world.db, world.org, test.sequence);
      await until(async () => {
        const [row] = await world.owner.call<{ n: number }>(
          sql`SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        );
        return row!.n > 0;
      }, 'the rule waits');
      await world.owner.call(sql`
        INSERT INTO variant_decisions (org_id, step_id, n, sequence_id, version_id, variant, rule_decides, by_rule, figures, decided_by, decided_at)
        SELECT org_id, ${test.step}::uuid, 1, id, published_version_id, 'a', false, false, '{"arms": []}', 'test', now()
          FROM sequences WHERE id = ${test.sequence}::uuid`);
    } finally {
      await counting.query('COMMIT');
      counting.release();
    }
    expect(await look).toMatchObject({ decided: [] });
    expect(await decisions(test.step)).toMatchObject([{ n: 1, variant: 'a', by_rule: false }]);
    expect(await sayWinner(world.db, world.ctx, at, { variant: 'b' })).toMatchObject({ decision: { n: 2 } });
  });

  it('[SEQ-14] a person and the rule at once: both are decisions in order, or the rule sees that it was done', async () => {
    const test = await sent();
    await told(world, test.step, test.b.slice(0, 25), 'message_received');
    const at = { sequence: test.sequence, step: test.step };
    await Promise.all([
      ...Array.from({ length: 4 }, () => lookAtRules(world.db, world.org, test.sequence)),
      ...Array.from({ length: 4 }, () =>
        sayWinner(world.db, world.ctx, at, { variant: 'a', reason: 'we like it' }),
      ),
    ]);
    const all = await decisions(test.step);
    expect(all.map((row) => row.n)).toEqual(all.map((_, i) => i + 1));
    expect(all.filter((row) => row.by_rule).length).toBeLessThanOrEqual(1);
    // the person's word is never overruled
    expect(all.at(-1)).toMatchObject({ variant: 'a', by_rule: false, reason: 'we like it' });
    expect(await lookAtRules(world.db, world.org, test.sequence)).toMatchObject({ decided: [] });
  });
});

describe('a person', () => {
  it('[SEQ-14] takes a winner back; the rule has no word until it is given back', async () => {
    const test = await sent();
    const at = { sequence: test.sequence, step: test.step };
    await told(world, test.step, test.b.slice(0, 25), 'message_received');
    await lookAtRules(world.db, world.org, test.sequence);
    expect(await sayWinner(world.db, world.ctx, at, { variant: null })).toMatchObject({
      changed: true,
      decision: { n: 2, variant: null, rule_decides: false },
    });
    expect(await lookAtRules(world.db, world.org, test.sequence)).toMatchObject({ open: 0, decided: [] });
    expect(await variantsOf(test)).toMatchObject({ winner: null, open: { code: 'rule_off' } });
    expect(await sayWinner(world.db, world.ctx, at, { variant: null })).toMatchObject({ changed: false });
    await sayWinner(world.db, world.ctx, at, { variant: null, rule_decides: true });
    expect(await lookAtRules(world.db, world.org, test.sequence)).toMatchObject({
      decided: [{ variant: 'b', n: 4 }],
    });
    const { decisions: shown, winner } = await variantsOf(test);
    expect(winner).toBe('b');
    expect(shown.map(({ n, variant, by_rule }) => [n, variant, by_rule])).toEqual([
      [4, 'b', true],
      [3, null, false],
      [2, null, false],
      [1, 'b', true],
    ]);
  });

  it('[SEQ-14] declares the same winner many times at once: one decision, each told', async () => {
    const test = await sent(1);
    const at = { sequence: test.sequence, step: test.step };
    const said = await Promise.all(
      Array.from({ length: 8 }, () => sayWinner(world.db, world.ctx, at, { variant: 'a' })),
    );
    expect(said.filter((one) => one.changed)).toHaveLength(1);
    expect(said.every((one) => one.decision?.variant === 'a' && one.decision.n === 1)).toBe(true);
    expect(await decisions(test.step)).toHaveLength(1);
  });

  it('[SEQ-14] is refused an arm, a step or a sequence that is not there', async () => {
    const test = await sent(1);
    const [, plain] = (await stepIds(world, test.sequence)) as [Uuid, Uuid];
    const say = (sequence: Uuid, step: Uuid, variant = 'a') =>
      sayWinner(world.db, world.ctx, { sequence, step }, { variant });
    await expect(say(test.sequence, test.step, 'z')).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(say(test.sequence, plain)).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(say(test.sequence, newId())).rejects.toMatchObject({ code: 'not_found' });
    await expect(say(newId(), test.step)).rejects.toMatchObject({ code: 'not_found' });
    expect(await decisions(test.step)).toEqual([]);
  });
});

describe('the job', () => {
  const jobs = () =>
    world.owner.call<{ run_at: Date; payload: { sequence: Uuid } }>(sql`
      SELECT j.run_at, j.payload FROM graphile_worker._private_jobs j JOIN graphile_worker._private_tasks t ON t.id = j.task_id
       WHERE t.identifier = 'decide_variants'`);
  const jobOf = async (sequence: Uuid) =>
    (await jobs()).filter(({ payload }) => payload.sequence === sequence);

  it('[SEQ-14] is queued when a version with a rule is published, looks until the rule has decided, and then no more', async () => {
    const test = await sent();
    await world.owner.call(
      sql`UPDATE sequences SET draft = jsonb_set(draft, '{on_unsubscribe}', '"skip_steps"') WHERE id = ${test.sequence}::uuid`,
    );
    expect(await publishSequence(world.db, world.ctx, test.sequence, () => null)).toMatchObject({
      changed: true,
    });
    expect(await jobOf(test.sequence)).toHaveLength(1);
    await world.owner.call(sql`
      SELECT graphile_worker.remove_job(j.key) FROM graphile_worker._private_jobs j WHERE j.payload ->> 'sequence' = ${test.sequence}`);
    const payload = { org: world.org, sequence: test.sequence };
    expect(await decideVariantsTask.run(world.db, payload)).toMatchObject({ open: 1, decided: [] });
    const [next] = await jobOf(test.sequence);
    expect(next!.run_at.getTime() - Date.now()).toBeGreaterThan(60_000);
    await world.owner.call(sql`
      SELECT graphile_worker.remove_job(j.key) FROM graphile_worker._private_jobs j WHERE j.payload ->> 'sequence' = ${test.sequence}`);
    await told(world, test.step, test.b.slice(0, 25), 'message_received');
    expect(await decideVariantsTask.run(world.db, payload)).toMatchObject({
      open: 0,
      decided: [{ variant: 'b' }],
    });
    expect(await jobOf(test.sequence)).toEqual([]);
  });
});

/**
 * Random flat programs of steps, waits, branches and jumps, and everything that can happen on the way, against the real
 * database: compared with a model that interprets the program, touch by touch; and the invariants after each step: I3, I5,
 * every enrollment ends, no step is sent twice, also over moves between versions. A failure prints its seed and path:
 * FC_SEED=… FC_PATH=… runs it again.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { changeTags } from '../../src/contacts/change-tags.ts';
import { sql } from '../../src/db/sql.ts';
import { newId, type Uuid } from '../../src/kernel/ids.ts';
import { act, getEnrollment } from '../../src/plan/sequences/enrollments.ts';
import { moveEnrollments } from '../../src/plan/sequences/move-enrollments.ts';
import { deliverNow } from '../support/deliver-now.ts';
import { type EngineWorld, engineWorld } from '../support/engine.ts';
import { publishVersion } from '../support/outreach.ts';
import { expectSound } from '../support/version-move.ts';
import { days, email, way } from '../support/waits.ts';

const RUNS = Number(process.env['FC_RUNS'] ?? 25);
const MAX_STEPS = 7;

let world: EngineWorld;
beforeAll(async () => {
  world = await engineWorld();
});
afterAll(() => world?.close());

const TAGS = ['a', 'b'] as const;
type Tags = ReadonlySet<string>;
const CONDITIONS: { ask: object; holds(tags: Tags): boolean }[] = [
  { ask: { tag: 'a' }, holds: (tags) => tags.has('a') },
  { ask: { not: { tag: 'b' } }, holds: (tags) => !tags.has('b') },
  { ask: { all: [{ tag: 'a' }, { tag: 'b' }] }, holds: (tags) => tags.has('a') && tags.has('b') },
  { ask: { any: [{ not: { tag: 'a' } }, { tag: 'b' }] }, holds: (tags) => !tags.has('a') || tags.has('b') },
];
const condition = fc.nat(CONDITIONS.length - 1);

/** `jump`: so many steps past the next one; past the last is the end. */
const program = fc.array(
  fc.record({
    kind: fc.constantFrom('email', 'when', 'wait', 'branch'),
    asks: condition,
    jump: fc.option(fc.nat(4), { nil: null }),
    arms: fc.array(fc.record({ asks: condition, jump: fc.nat(4) }), { minLength: 1, maxLength: 3 }),
  }),
  { minLength: 1, maxLength: MAX_STEPS },
);
type Of<A> = A extends fc.Arbitrary<infer T> ? T : never;
type Program = Of<typeof program>;

const operation = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ does: 'work' as const }) },
  { weight: 3, arbitrary: fc.record({ does: fc.constant('tag' as const), tag: fc.constantFrom(...TAGS) }) },
  { weight: 3, arbitrary: fc.constant({ does: 'pass' as const }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      { does: 'pause' as const },
      { does: 'resume' as const },
      { does: 'advance' as const },
    ),
  },
);

type Operation = Of<typeof operation>;

const target = (no: number, jump: number, of: Program) =>
  no + 1 + jump < of.length ? `k${no + 1 + jump}` : 'end';

function stepsOf(of: Program, ids: readonly Uuid[]): object[] {
  return of.map(({ kind, asks, jump, arms }, no) => {
    const { ask } = CONDITIONS[asks]!;
    const base = { id: ids[no], key: `k${no}` };
    const next = jump === null ? {} : { next: target(no, jump, of) };
    if (kind === 'email') return email({ ...base, ...next });
    if (kind === 'when') return email({ ...base, ...next, when: ask });
    if (kind === 'wait') return { ...base, ...next, channel: 'wait', until: ask, at_most: days(1) };
    return {
      ...base,
      channel: 'wait',
      branches: arms.map((arm) => ({ when: CONDITIONS[arm.asks]!.ask, go_to: target(no, arm.jump, of) })),
      ...(jump === null ? {} : { otherwise: target(no, jump, of) }),
    };
  });
}

/** What has become of each touch, in the order of their planning. */
class Model {
  readonly told: string[] = ['0 planned'];
  status = 'active';
  no = 0;
  tags = new Set<string>();
  /** Days since the step began to wait. */
  waited = 0;
  readonly #of: Program;

  constructor(of: Program) {
    this.#of = of;
  }

  /** The touch it waits for has ended so; null: of itself, and there is no further one. */
  #end(how: string, next: number | null): void {
    this.told[this.told.length - 1] = `${this.no} ${how}`;
    this.waited = 0;
    if (next === null) return;
    this.no = next;
    if (next < this.#of.length) this.told.push(`${next} planned`);
    else this.status = 'completed';
  }

  #onward(jump: number | null): number {
    return Math.min(this.no + 1 + (jump ?? 0), this.#of.length);
  }

  work(): void {
    while (this.status === 'active') {
      const { kind, asks, jump, arms } = this.#of[this.no]!;
      const holds = CONDITIONS[asks]!.holds(this.tags);
      const next = this.#onward(jump);
      if (kind === 'email' || (kind === 'when' && holds)) this.#end('sent', next);
      else if (kind === 'when') this.#end('skipped condition_false', next);
      else if (kind === 'branch') {
        const arm = arms.findIndex((one) => CONDITIONS[one.asks]!.holds(this.tags));
        if (arm < 0) this.#end('skipped arm:otherwise', next);
        else this.#end(`skipped arm:${arm + 1}`, this.#onward(arms[arm]!.jump));
      } else if (holds) this.#end('skipped condition_met', next);
      else if (this.waited >= 1) this.#end('skipped waited_out', next);
      else return;
    }
  }

  act(action: 'pause' | 'resume' | 'advance'): void {
    if (action === 'advance') this.#end('skipped advance', this.#onward(this.#of[this.no]!.jump));
    else if (action === 'pause') {
      this.#end('cancelled pause', null);
      this.status = 'paused';
    } else {
      this.told.push(`${this.no} planned`);
      this.status = 'active';
    }
  }

  may(action: 'pause' | 'resume' | 'advance'): boolean {
    return this.status === (action === 'resume' ? 'paused' : 'active');
  }
}

/** Everything that was planned was planned so much earlier. */
async function pass(share: number): Promise<void> {
  const by = sql`make_interval(secs => ${share * 86_400}::float8)`;
  await world.owner.call(sql`
    UPDATE touches t SET not_before = t.not_before - ${by}, not_after = t.not_after - ${by}, wake_at = t.wake_at - ${by}, created_at = t.created_at - ${by}
     WHERE t.org_id = ${world.org}::uuid`);
}

async function toggle(contact: Uuid, tags: Set<string>, tag: string): Promise<void> {
  const has = tags.has(tag);
  await changeTags(world.db, world.ctx, { contact_ids: [contact], [has ? 'remove' : 'add']: [tag] });
  if (has) tags.delete(tag);
  else tags.add(tag);
}

async function enrolled(of: Program, ids: readonly Uuid[]) {
  const sequence = await world.sequence({ steps: stepsOf(of, ids) });
  const [contact] = await world.contacts(1);
  const [id] = await world.enroll(sequence, [contact!]);
  return { sequence, contact: contact!, id: id! };
}

const status = async (id: Uuid) => (await getEnrollment(world.db, world.org, id)).status;

/** Whatever it waits for, time passes and it ends. */
async function runOut(id: Uuid): Promise<void> {
  if ((await status(id)) === 'paused') await act(world.db, world.versions, world.ctx, id, 'resume', {});
  for (let round = 0; (await status(id)) === 'active'; round++) {
    expect(round, 'rounds until it ends').toBeLessThanOrEqual(2 * MAX_STEPS);
    await pass(2);
    await deliverNow(world);
  }
  expect(await status(id)).toBe('completed');
}

const given = {
  ...(process.env['FC_SEED'] ? { seed: Number(process.env['FC_SEED']) } : {}),
  ...(process.env['FC_PATH'] ? { path: process.env['FC_PATH'] } : {}),
};

test('[SEQ-14] [I5] every way through a random program is that of the model, and ends', async () => {
  const run = async (of: Program, operations: readonly Operation[]) => {
    const ids = of.map(() => newId());
    const { id, contact, sequence } = await enrolled(of, ids);
    const model = new Model(of);
    for (const one of operations) {
      if (one.does === 'work') {
        await deliverNow(world);
        model.work();
      } else if (one.does === 'tag') await toggle(contact, model.tags, one.tag);
      else if (one.does === 'pass') {
        await pass(0.6);
        model.waited += 0.6;
      } else if (model.may(one.does)) {
        await act(world.db, world.versions, world.ctx, id, one.does, {});
        model.act(one.does);
      }
      expect(await way(world, id), JSON.stringify(one)).toEqual(model.told);
      expect(await status(id)).toBe(model.status);
      expect(await expectSound(world, sequence)).toEqual([]);
    }
    await runOut(id);
  };
  await fc.assert(fc.asyncProperty(program, fc.array(operation, { maxLength: 14 }), run), {
    numRuns: RUNS,
    ...given,
  });
}, 240_000);

test('[SEQ-1] [SEQ-14] moves between random versions lose nobody and send no step twice', async () => {
  const versions = fc.array(
    fc.tuple(program, fc.array(fc.nat(2 * MAX_STEPS - 1), { minLength: MAX_STEPS, maxLength: MAX_STEPS })),
    { minLength: 1, maxLength: 3 },
  );
  const run = async (
    of: Program,
    operations: readonly Operation[],
    others: readonly [Program, number[]][],
  ) => {
    // Steps of the versions share identities in any order, and have others besides.
    const pool = Array.from({ length: 2 * MAX_STEPS }, () => newId());
    const { id, contact, sequence } = await enrolled(of, pool);
    const tags = new Set<string>();
    const moves = [...others];
    for (const [i, one] of operations.entries()) {
      if (one.does === 'work') await deliverNow(world);
      else if (one.does === 'tag') await toggle(contact, tags, one.tag);
      else if (one.does === 'pass') await pass(0.6);
      else await act(world.db, world.versions, world.ctx, id, one.does, {}).catch(() => undefined);
      const next = i % 3 === 2 ? moves.shift() : undefined;
      if (next) {
        const [steps, picks] = next;
        const ids = [...new Set([...picks.map((pick) => pool[pick]!), ...pool])].slice(0, steps.length);
        await publishVersion(world.db, world.org, sequence, world.sender, { steps: stepsOf(steps, ids) });
        await moveEnrollments(world.db, world.versions, world.ctx, {
          sequence_id: sequence,
          enrollment_ids: [id],
        });
      }
      expect(await expectSound(world, sequence)).toEqual([]);
    }
    await runOut(id);
    expect(await expectSound(world, sequence)).toEqual([]);
  };
  await fc.assert(
    fc.asyncProperty(program, fc.array(operation, { minLength: 6, maxLength: 14 }), versions, run),
    {
      numRuns: RUNS,
      ...given,
    },
  );
}, 240_000);

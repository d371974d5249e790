/**
 * Random sequences of everything that can happen to an enrollment, against the real database, compared with a model
 * after each step; and after each step the invariants: I3 (nothing is lost), I5 (one waiting touch), I8 (quota used is
 * what is sending, unknown or sent). A failure prints its seed and path: FC_SEED=… FC_PATH=… runs it again.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SendOutcome } from '../../src/channels/channel.ts';
import { sql } from '../../src/db/sql.ts';
import { settlementOfRefusal } from '../../src/dispatch/outcomes.ts';
import { RESOLUTIONS, type Resolution, resolveTouch } from '../../src/dispatch/resolve.ts';
import { newId, type Uuid } from '../../src/kernel/ids.ts';
import { Problem } from '../../src/kernel/problem.ts';
import { settle as settleReal } from '../../src/ledger/settle.ts';
import { ENROLL_POLICIES, type EnrollPolicy } from '../../src/plan/sequences/candidates.ts';
import { enrollOne } from '../../src/plan/sequences/enroll-one.ts';
import { act, type Enrollment, getEnrollment } from '../../src/plan/sequences/enrollments.ts';
import { isLive, TRANSITIONS } from '../../src/plan/sequences/lifecycle.ts';
import { moveEnrollments } from '../../src/plan/sequences/move-enrollments.ts';
import { endEnrollment, unsubscribe } from '../../src/plan/stop.ts';
import { type EngineWorld, engineWorld } from '../support/engine.ts';
import {
  ACCEPTED,
  AMBIGUOUS,
  answered,
  GREYLISTED,
  HARD_BOUNCE,
  letGo,
  NOT_STARTED,
  REFUSED,
} from '../support/flight.ts';
import { makeContacts, makeSender, makeSequence, publishVersion } from '../support/outreach.ts';
import {
  type Answer,
  apply,
  inFlight,
  latestOf,
  type Model,
  type ModelEnrollment,
  type ModelTouch,
  move,
  noteEnds,
  optOut,
  refusalOf,
  settle,
} from './lifecycle-model.ts';

const RUNS = Number(process.env['FC_RUNS'] ?? 25);
const COMMANDS = 40;
const CONTACTS = 2;
const LETTERS = 'ABCD';
const FIRST = 'ABC';

let world: EngineWorld;
beforeAll(async () => {
  world = await engineWorld();
});
afterAll(() => world?.close());

interface Real {
  sequence: Uuid;
  sender: Uuid;
  /** By letter. */
  steps: Map<string, Uuid>;
}
type Command = fc.AsyncCommand<Model, Real>;

const OUTCOMES: Record<Answer, SendOutcome> = {
  accepted: ACCEPTED,
  refused: REFUSED,
  bounce: HARD_BOUNCE,
  later: GREYLISTED,
  ambiguous: AMBIGUOUS,
  not_started: NOT_STARTED,
};

/** The code of its refusal, or null. */
async function codeOf(work: Promise<unknown>): Promise<string | null> {
  try {
    await work;
    return null;
  } catch (error) {
    if (error instanceof Problem) return error.code;
    throw error;
  }
}

const pick = (model: Model, n: number) => model.enrollments[n % model.enrollments.length]!;

/** Takes over the touch that was planned, which has an id that only the real one knows. */
async function planned(one: ModelEnrollment): Promise<void> {
  const { live_touch } = await getEnrollment(world.db, world.org, one.id);
  expect(one.touches.map((touch) => touch.id)).not.toContain(live_touch);
  one.live = touchOf(live_touch, one);
  one.touches.push(one.live);
}

function touchOf(id: Uuid, of: { at: string; generation: number }): ModelTouch {
  return { id, state: 'planned', attempt: 0, token: null, step: of.at, generation: of.generation };
}

function command(
  name: string,
  check: (model: Model) => boolean,
  run: (model: Model, real: Real) => Promise<void>,
): Command {
  return {
    check,
    async run(model, real) {
      await run(model, real);
      await compare(model, real);
    },
    toString: () => name,
  };
}

const some = (model: Model) => model.enrollments.length > 0;

function enroll(contact: number, policy: EnrollPolicy): Command {
  return command(
    `enroll(${contact}, ${policy})`,
    () => true,
    async (model, { sequence }) => {
      const { id, reachable } = model.contacts[contact]!;
      const last = latestOf(model, contact);
      const again = policy === 'restart' && last !== undefined && TRANSITIONS[last.status].restart !== null;
      let expected: string | null = null;
      // Nothing here has ended a day ago.
      const recent = policy === 'never' || policy === 'after_days';
      if (policy !== 'restart' && last && (isLive(last.status) || recent)) expected = 'already_enrolled';
      else if (!reachable) expected = 'enrollment_refused';
      else if (again && inFlight(last.live)) expected = 'touch_in_flight';
      let made: Enrollment | undefined;
      const code = await codeOf(
        enrollOne(world.db, world.versions, world.ctx, {
          sequence_id: sequence,
          contact_id: id,
          policy,
          policy_days: policy === 'after_days' ? 1 : undefined,
        }).then((done) => {
          made = done.enrollment;
        }),
      );
      expect(code).toBe(expected);
      if (!made) return;
      if (again) {
        expect(made.id).toBe(last.id);
        apply(last, 'restart', model.published);
        last.version = model.versions;
        await planned(last);
        return;
      }
      const plan = model.published;
      const start = { plan, version: model.versions, step: 0, at: plan[0]!, generation: 1 };
      const live = touchOf(made.live_touch, start);
      model.enrollments.push({
        id: made.id,
        contact,
        status: 'active',
        ...start,
        live,
        touches: [live],
        ended: null,
      });
    },
  );
}

type Asked = 'pause' | 'resume' | 'advance' | 'restart' | 'unenroll' | 'exit';

function ask(event: Asked, n: number): Command {
  return command(`${event}(${n})`, some, async (model) => {
    const one = pick(model, n);
    const expected = refusalOf(model, one, event);
    const work =
      event === 'exit'
        ? endEnrollment(world.db, world.ctx, one.id, event)
        : act(world.db, world.versions, world.ctx, one.id, event);
    expect(await codeOf(work)).toBe(expected);
    if (expected !== null) return;
    if (apply(one, event, model.published)) await planned(one);
    if (event === 'restart') one.version = model.versions;
  });
}

/** Another version: these letters in this order. */
function publish(letters: string): Command {
  return command(
    `publish(${letters})`,
    () => true,
    async (model, real) => {
      const { sequence, sender } = real;
      await publishVersion(world.db, world.org, sequence, sender, { steps: stepsOf(real, letters) });
      model.published = letters;
      model.versions++;
    },
  );
}

function stepsOf({ steps }: Pick<Real, 'steps'>, letters: string) {
  return [...letters].map((letter) => ({
    id: steps.get(letter),
    channel: 'email',
    subject: `Step ${letter}`,
    body_text: 'Text',
  }));
}

function moved(n: number): Command {
  return command(`move(${n})`, some, async (model, { sequence }) => {
    const one = pick(model, n);
    const { results } = await moveEnrollments(world.db, world.versions, world.ctx, {
      sequence_id: sequence,
      enrollment_ids: [one.id],
    });
    if (!isLive(one.status)) {
      expect(results).toMatchObject([{ result: 'skipped', reason: 'ended' }]);
      return;
    }
    if (one.version === model.versions) {
      expect(results).toMatchObject([{ result: 'skipped', reason: 'already_moved' }]);
      return;
    }
    const fresh = move(one, model.published);
    one.version = model.versions;
    expect(results).toMatchObject([{ result: one.status === 'completed' ? 'completed' : 'moved' }]);
    if (fresh) await planned(one);
  });
}

function leave(contact: number): Command {
  return command(
    `unsubscribe(${contact})`,
    () => true,
    async (model) => {
      const contact_id = model.contacts[contact]!.id;
      await unsubscribe(world.db, world.ctx, { contact_id, channel: 'email', source: 'api' });
      optOut(model, contact);
    },
  );
}

function go(n: number): Command {
  return command(`gate(${n})`, some, async (model) => {
    const one = pick(model, n);
    const { live: touch } = one;
    const flight = await letGo(world, touch.id);
    if (touch.state !== 'planned') {
      expect(flight.verdict).toBe('gone');
      return;
    }
    if (model.contacts[one.contact]!.reachable) {
      expect(flight.verdict).toBe('go');
      Object.assign(touch, { state: 'sending', token: flight.token, attempt: touch.attempt + 1 });
      model.flights.push({ flight, enrollment: one, touch });
      return;
    }
    // A bounce of an earlier enrollment's late message: refused for good, and the enrollment ends.
    expect(flight.verdict).toBe('suppressed');
    const settlements = [settlementOfRefusal(flight.touch, 'suppressed', flight.planning.now)!];
    await settleReal(world.db, { org: world.org, token: null, actor: 'worker:test', settlements });
    touch.state = 'skipped';
    one.status = 'unsubscribed';
  });
}

/** Any flight there ever was, settled ones and those whose touch was let go again since. */
function settled(n: number, answer: Answer): Command {
  return command(
    `settle(${n}, ${answer})`,
    (model) => model.flights.length > 0,
    async (model) => {
      const { flight, enrollment, touch } = model.flights[n % model.flights.length]!;
      const expected = settle(model, enrollment, touch, flight.token, answer);
      expect(await answered(world, flight, OUTCOMES[answer])).toBe(expected.result);
      if (answer === 'accepted' && expected.result !== 'lost')
        model.accepted.set(touch.id, (model.accepted.get(touch.id) ?? 0) + 1);
      if (expected.planned) await planned(enrollment);
    },
  );
}

/** Several in a row on one enrollment: what single draws meet too rarely. */
function inARow(name: string, n: number, parts: (last: (answer: Answer) => Command) => Command[]): Command {
  return {
    check: some,
    async run(model, real) {
      const last = (answer: Answer): Command => ({
        check: () => true,
        run: (now, there) =>
          now.flights.length === 0
            ? Promise.resolve()
            : settled(now.flights.length - 1, answer).run(now, there),
        toString: () => '',
      });
      for (const part of parts(last)) await part.run(model, real);
    },
    toString: () => `${name}(${n})`,
  };
}

/** Paused while it is in flight, its outcome late, and resumed. */
function detour(n: number, answer: Answer): Command {
  return inARow(`detour ${answer}`, n, (last) => [go(n), ask('pause', n), last(answer), ask('resume', n)]);
}

/** Tried again and again. */
function tries(n: number, answers: readonly Answer[]): Command {
  return inARow(`tries ${answers.join(' ')}`, n, (last) =>
    answers.flatMap((answer) => [go(n), last(answer)]),
  );
}

function resolved(n: number, word: Resolution): Command {
  return command(`resolve(${n}, ${word})`, some, async (model) => {
    const one = pick(model, n);
    const touch = one.touches[n % one.touches.length]!;
    const possible = touch.state === 'unknown';
    const code = await codeOf(resolveTouch(world.db, world.versions, world.ctx, touch.id, { outcome: word }));
    expect(code).toBe(possible ? null : 'illegal_transition');
    if (!possible) return;
    if (word === 'resend') {
      touch.state = one.status === 'active' && one.live === touch ? 'planned' : 'cancelled';
      return;
    }
    const { planned: next } = settle(
      model,
      one,
      touch,
      touch.token,
      word === 'sent' ? 'accepted' : 'refused',
    );
    if (next) await planned(one);
  });
}

async function compare(model: Model, real: Real): Promise<void> {
  noteEnds(model);
  const rows = await world.owner.call(sql`
    SELECT e.id, e.status, e.step_no, e.live_touch,
           (SELECT jsonb_object_agg(t.id, t.state) FROM touches t WHERE t.source_id = e.id) AS touches
      FROM enrollments e WHERE e.sequence_id = ${real.sequence}::uuid`);
  const expected = model.enrollments.map((one) => ({
    id: one.id,
    status: one.status,
    step_no: one.step,
    live_touch: one.live.id,
    touches: Object.fromEntries(one.touches.map((touch) => [touch.id, touch.state])),
  }));
  const byId = (a: { id?: Uuid }, b: { id?: Uuid }) => (a.id! < b.id! ? -1 : 1);
  expect([...rows].sort(byId)).toEqual(expected.sort(byId));
  await invariants(real);
  for (const [touch, times] of model.accepted) expect(times, `accepted ${touch}`).toBe(1);
}

async function invariants({ sequence, sender }: Real): Promise<void> {
  const [seen] = await world.owner.call(sql`
    SELECT (SELECT count(*)::int FROM enrollments e WHERE e.sequence_id = ${sequence}::uuid AND (
              SELECT count(*) FROM touches t WHERE t.source_id = e.id AND t.live) <> CASE
                WHEN e.status = 'active' THEN 1 ELSE (SELECT count(*) FROM touches t WHERE t.id = e.live_touch AND t.state IN ('sending', 'unknown')) END
           ) AS i5,
           (SELECT count(*)::int FROM enrollments e JOIN touches t ON t.source_id = e.id AND t.live
             WHERE e.sequence_id = ${sequence}::uuid AND e.live_touch <> t.id) AS i5_other,
           (SELECT count(*)::int FROM touches t WHERE t.sequence_id = ${sequence}::uuid AND NOT t.live AND t.settled_at IS NULL) AS i3,
           (SELECT count(*)::int FROM touches t WHERE t.sequence_id = ${sequence}::uuid AND NOT t.live AND (
              SELECT count(*) FROM events v WHERE v.source_id = t.source_id AND v.touch_id = t.id AND v.type = t.state) <> 1) AS untold,
           (SELECT coalesce(sum(u.used - u.to_members), 0)::int FROM sender_usage u WHERE u.sender_id = ${sender}::uuid) AS used,
           (SELECT count(*)::int FROM touches t WHERE t.sender_id = ${sender}::uuid AND t.state IN ('sending', 'unknown', 'sent')) AS reserved,
           (SELECT coalesce(sum(g.open), 0)::int FROM gates g WHERE g.touches && ARRAY(SELECT t.id FROM touches t WHERE t.sender_id = ${sender}::uuid)) AS open,
           (SELECT count(*)::int FROM touches t WHERE t.sender_id = ${sender}::uuid AND t.state IN ('sending', 'unknown')) AS flying`);
  expect(seen).toMatchObject({ i5: 0, i5_other: 0, i3: 0, untold: 0 });
  expect(seen!['used'], 'I8').toBe(seen!['reserved']);
  expect(seen!['open'], 'open gates').toBe(seen!['flying']);
}

const contact = fc.nat({ max: CONTACTS - 1 });
const which = fc.nat({ max: 20 });
const answers = Object.keys(OUTCOMES) as Answer[];
/** Mostly messages coming and going, so that the rest happens in the middle of them; a goodbye ends much, so it is rare. */
const commands = fc.oneof(
  { weight: 24, arbitrary: which.map(go) },
  {
    weight: 16,
    arbitrary: fc
      .tuple(which, fc.constantFrom<Answer>('accepted', 'later', 'ambiguous', 'not_started'))
      .map((of) => settled(...of)),
  },
  {
    weight: 4,
    arbitrary: fc.tuple(which, fc.constantFrom<Answer>('refused', 'bounce')).map((of) => settled(...of)),
  },
  {
    weight: 18,
    arbitrary: fc.tuple(fc.constantFrom<Asked>('pause', 'resume'), which).map((of) => ask(...of)),
  },
  {
    weight: 14,
    arbitrary: fc
      .tuple(fc.constantFrom<Asked>('advance', 'restart', 'unenroll', 'exit'), which)
      .map((of) => ask(...of)),
  },
  { weight: 10, arbitrary: fc.tuple(which, fc.constantFrom(...RESOLUTIONS)).map((of) => resolved(...of)) },
  {
    weight: 12,
    arbitrary: fc.tuple(contact, fc.constantFrom(...ENROLL_POLICIES)).map((of) => enroll(...of)),
  },
  {
    weight: 8,
    arbitrary: fc.tuple(which, fc.constantFrom(...answers)).map((of) => detour(...of)),
  },
  {
    weight: 8,
    arbitrary: fc
      .tuple(
        which,
        fc.array(fc.constantFrom<Answer>('later', 'later', 'not_started', 'accepted'), {
          minLength: 2,
          maxLength: 5,
        }),
      )
      .map((of) => tries(...of)),
  },
  {
    weight: 6,
    arbitrary: fc.shuffledSubarray([...LETTERS], { minLength: 1 }).map((of) => publish(of.join(''))),
  },
  { weight: 12, arbitrary: which.map(moved) },
  { weight: 1, arbitrary: contact.map(leave) },
);

async function setup(): Promise<{ model: Model; real: Real }> {
  const sender = await makeSender(world.db, world.org);
  const steps = new Map([...LETTERS].map((letter) => [letter, newId()]));
  const sequence = await makeSequence(world.db, world.org, sender, { steps: stepsOf({ steps }, FIRST) });
  const ids = await makeContacts(world.db, world.org, CONTACTS);
  const contacts = ids.map((id) => ({ id, reachable: true }));
  const model: Model = {
    published: FIRST,
    versions: 1,
    ends: 0,
    contacts,
    enrollments: [],
    flights: [],
    accepted: new Map(),
  };
  const real = { sequence, sender, steps };
  for (let one = 0; one < CONTACTS; one++) await enroll(one, 'never').run(model, real);
  return { model, real };
}

test('[SEQ-1] [SEQ-2] [SEQ-8] [SEQ-9] [EXE-3] [EXE-8] the lifecycle and the touch machine do what the model says', async () => {
  const seed = Number(process.env['FC_SEED'] ?? Date.now() % 2 ** 31);
  const path = process.env['FC_PATH'];
  console.log(`lifecycle model: seed ${seed}`);
  await fc.assert(
    fc.asyncProperty(fc.commands([commands], { maxCommands: COMMANDS, size: 'max' }), async (list) => {
      const start = await setup();
      await fc.asyncModelRun(() => start, list);
    }),
    { numRuns: RUNS, seed, endOnFailure: false, ...(path === undefined ? {} : { path }) },
  );
}, 180_000);

/** Which e-mails answer which: a step without a subject goes on in its thread, one with a subject of its own opens one. */
import { beforeEach, describe, expect, it } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import type { EmailMessage } from '../../src/kernel/message.ts';
import { act } from '../../src/plan/sequences/enrollments.ts';
import { previewSequence } from '../../src/plan/sequences/preview.ts';
import { deliverNow } from '../support/deliver-now.ts';
import type { EngineWorld } from '../support/engine.ts';
import { enrolled, enrollmentRow, sending, settleOne, touchRow } from '../support/touches.ts';
import { worlds } from '../support/worlds.ts';

const worldOf = worlds('K');
let world: EngineWorld;
beforeEach(() => {
  world = worldOf();
});

const NOW = { amount: 0, unit: 'minutes' };
const LATER = { amount: 1, unit: 'days' };
const email = (subject: string | null, more: Record<string, unknown> = {}) => ({
  channel: 'email',
  delay: NOW,
  body_text: 'Text',
  ...(subject === null ? {} : { subject }),
  ...more,
});
const TWO_THREADS = [email('A'), email(null), email('B'), email(null), email(null)];

/** As `subject < parent < references`, by the position of the message that each id is of. */
function told(messages: readonly EmailMessage[]): string[] {
  const at = (id: string) => messages.findIndex((message) => message.message_id === id);
  return messages.map(({ subject, in_reply_to, references }) =>
    [
      subject,
      ...(in_reply_to === undefined ? [] : [at(in_reply_to)]),
      ...(references === undefined ? [] : [references.map(at).join(' ')]),
    ].join(' < '),
  );
}

const IN_TWO_THREADS = ['A', 'Re: A < 0 < 0', 'B', 'Re: B < 2 < 2', 'Re: B < 3 < 2 3'];

async function due(touch: string): Promise<void> {
  await world.owner.call(
    sql`UPDATE touches SET wake_at = now(), not_before = least(not_before, now()) WHERE id = ${touch}::uuid`,
  );
}
const liveTouch = async (enrollment: string) => (await enrollmentRow(world, enrollment)).live_touch as string;

describe('a step without a subject, before which nothing went', () => {
  const FOLLOW_UP = [
    email('For {{ contact.first_name }}'),
    email(null, { delay: LATER }),
    email(null, { delay: LATER }),
  ];
  const goOn = async (enrollment: string) => {
    await due(await liveTouch(enrollment));
    await deliverNow(world);
  };

  it('[SEQ-3] [SEQ-9] opens the thread itself when the one that would have was advanced past', async () => {
    const { enrollments } = await enrolled(world, 1, { steps: FOLLOW_UP });
    await act(world.db, world.versions, world.ctx, enrollments[0]!, 'advance');
    await goOn(enrollments[0]!);
    await goOn(enrollments[0]!);
    const messages = world.provider.calls.map(({ message }) => message);
    expect(told(messages)).toEqual(['For Person 1', 'Re: For Person 1 < 0 < 0']);
    expect(await enrollmentRow(world, enrollments[0]!)).toMatchObject({ status: 'completed' });
  });

  it('[SEQ-3] [SEQ-14] opens it under the subject of the arm that the contact would have got', async () => {
    const variants = ['a', 'b'].map((key) => ({ key, weight: 1, subject: `Arm ${key}` }));
    const { sequence, enrollments, contacts } = await enrolled(world, 6, {
      steps: [email('Base', { key: 'first', variants }), email(null, { delay: LATER })],
    });
    const subjects: (string | null)[] = [];
    for (const [n, enrollment] of enrollments.entries()) {
      const { steps } = await previewSequence(world.db, world.versions, world.ctx, sequence, {
        contact_id: contacts[n]!,
        unsubscribe_url: 'https://example.com/u/preview',
      });
      subjects.push(steps[0]!.subject);
      await act(world.db, world.versions, world.ctx, enrollment, 'advance');
    }
    for (const enrollment of enrollments) await goOn(enrollment);
    expect(subjects.every((subject) => subject?.startsWith('Arm '))).toBe(true);
    expect(world.provider.calls.map(({ message }) => message.subject)).toEqual(subjects);
  });
});

describe('a step with a subject of its own', () => {
  it('[SEQ-3] opens a new thread, which the steps after it answer in', async () => {
    await enrolled(world, 1, { steps: TWO_THREADS });
    await deliverNow(world);
    expect(told(world.provider.calls.map(({ message }) => message))).toEqual(IN_TWO_THREADS);
  });

  it('[SEQ-3] [TEN-4] is previewed so', async () => {
    const { sequence, contacts } = await enrolled(world, 1, { steps: TWO_THREADS });
    const { steps } = await previewSequence(world.db, world.versions, world.ctx, sequence, {
      contact_id: contacts[0]!,
      unsubscribe_url: 'https://example.com/u/preview',
    });
    expect(steps.map(({ subject }) => subject)).toEqual(['A', 'Re: A', 'B', 'Re: B', 'Re: B']);
  });

  it('[SEQ-3] [EXE-5] [EXE-7] opens one too when it was refused, lost and sent again under its key', async () => {
    const { enrollments } = await enrolled(world, 1, {
      steps: [email('A'), email('B', { delay: LATER }), email(null, { delay: LATER })],
    });
    await deliverNow(world);
    const opener = await liveTouch(enrollments[0]!);
    for (const answer of [
      { kind: 'refused', permanence: 'transient', reason: 'greylisted' },
      { kind: 'ambiguous', reason: 'timeout' },
    ] as const) {
      world.provider.answer = () => answer;
      await due(opener);
      await deliverNow(world, world.newEngine({ limits: { lookup_gap_ms: 3_600_000 } }));
    }
    expect(await touchRow(world, opener)).toMatchObject({ state: 'unknown' });
    world.provider.answer = () => ({ kind: 'accepted' });
    await due(opener);
    await deliverNow(world);
    await due(await liveTouch(enrollments[0]!));
    await deliverNow(world);
    const calls = world.provider.calls;
    expect(
      new Set(calls.filter((call) => call.touch_id === opener).map((call) => JSON.stringify(call.message)))
        .size,
    ).toBe(1);
    const last = calls.at(-1)!.message;
    const opening = calls.find((call) => call.touch_id === opener)!.message;
    expect([opening.in_reply_to, opening.references]).toEqual([undefined, undefined]);
    expect(last).toMatchObject({
      subject: 'Re: B',
      in_reply_to: opening.message_id,
      references: [opening.message_id],
    });
  });

  it('[SEQ-3] [EXE-5] opens one when it is looked up and found', async () => {
    const other = await world.another('L');
    world = other;
    const { enrollments } = await enrolled(world, 1, {
      steps: [email('A'), email('B', { delay: LATER }), email(null, { delay: LATER })],
    });
    await deliverNow(world);
    const opener = await liveTouch(enrollments[0]!);
    world.provider.answer = ({ touch_id }) => {
      world.provider.accepted.add(touch_id);
      return { kind: 'ambiguous', reason: 'timeout' };
    };
    await due(opener);
    await deliverNow(world);
    await due(opener);
    await deliverNow(world);
    expect(await touchRow(world, opener)).toMatchObject({ state: 'sent' });
    expect(await enrollmentRow(world, enrollments[0]!)).toMatchObject({
      thread: [`${opener}.1`],
      thread_subject: 'B',
    });
  });

  it('[SEQ-3] [EXE-3] opens one though its enrollment was paused before that was known', async () => {
    const { enrollments } = await enrolled(world, 1, { steps: [email('A'), email('B', { delay: LATER })] });
    await deliverNow(world);
    const opener = await liveTouch(enrollments[0]!);
    await due(opener);
    const token = await sending(world, [opener]);
    await act(world.db, world.versions, world.ctx, enrollments[0]!, 'pause');
    expect(await settleOne(world, token, { touch_id: opener, outcome: 'sent', subject: 'B' })).toBe('late');
    expect(await enrollmentRow(world, enrollments[0]!)).toMatchObject({
      thread: [`${opener}.1`],
      thread_subject: 'B',
    });
  });
});

describe('a subject that is the thread’s own', () => {
  it('[SEQ-3] answers in it, as a person leaves it who edits the text alone', async () => {
    await enrolled(world, 1, { steps: [email('A'), email('Re: A'), email(null)] });
    await deliverNow(world);
    expect(told(world.provider.calls.map(({ message }) => message))).toEqual([
      'A',
      'Re: A < 0 < 0',
      'Re: A < 1 < 0 1',
    ]);
  });
});

/** The checker judged on what people do: executions, refusals, drafts, calls and tasks. */
import { describe, expect, it } from 'vitest';
import type { Ack, Evidence } from './checker/evidence.ts';
import type { Violation } from './checker/violation.ts';
import { ack, at, atMs, call, judge, sound, touch } from './sound.ts';

/** A step that a person executed: asked for at 3.5 s, let go and called at 4 s, answered at 4.5 s. */
function executed(): Evidence {
  const evidence = sound();
  const human = touch('h1', { mode: 'human', sender: 'sN', enrollment: 'e4', gated_at: atMs(4) });
  const task = touch('k1', {
    mode: 'human',
    sender: null,
    channel: 'task',
    enrollment: 'e5',
    gated_at: atMs(4),
  });
  evidence.touches.push(human, task);
  for (const id of ['e4', 'e5'])
    evidence.enrollments.push({ id, org: 'alder', contact: 'c1', sequence: 'q1', status: 'active' });
  evidence.journal.push(...call(human, 4));
  evidence.organizations[0]!.daily_cap = 4;
  evidence.acks.push(
    done('execute', 'h1', 4.5, { result: 'sent', repeated: false }),
    done('complete', 'k1', 4.5, {}),
  );
  evidence.passages = [
    ...evidence.journal
      .filter(({ event }) => event === 'begun')
      .map(({ touch_id, wall }) => ({ touch: touch_id!, at: Date.parse(wall) - 10, again: false })),
    { touch: 'k1', at: atMs(4), again: false },
  ];
  return evidence;
}

/** Asked for a second before it was answered. */
function done(act: string, id: string, seconds: number, more: Partial<Ack> = {}): Ack {
  const target = id.startsWith('e')
    ? ({ class: 'enrollment', id } as const)
    : ({ class: 'touch', id } as const);
  return ack(act, target, seconds, { receipt: null, began: at(seconds - 1), ...more });
}

const REFUSED = { status: 409, reason: 'source_ended' } as const;
const isExecute = ({ act }: Ack) => act === 'execute';

function replace(evidence: Evidence, ...executes: Ack[]): void {
  evidence.acks = [...evidence.acks.filter((one) => !isExecute(one)), ...executes];
}

const FAULTS: [string, Violation['invariant'], (evidence: Evidence) => void][] = [
  [
    'a message that was accepted within an execute answered 409',
    'I1',
    (e) => replace(e, done('execute', 'h1', 4.5, REFUSED)),
  ],
  [
    'the same where the enrollment was asked for',
    'I1',
    (e) => replace(e, done('execute', 'e4', 4.5, REFUSED)),
  ],
  [
    'the same beside an execute that was over before',
    'I1',
    (e) => replace(e, done('execute', 'h1', 4.5, REFUSED), done('execute', 'h1', 3.9, { result: 'sent' })),
  ],
  ['a call for a step that waits for a person, executed by nobody', 'I1', (e) => replace(e)],
  [
    'the same, executed only afterwards',
    'I1',
    (e) => replace(e, done('execute', 'h1', 5.5, { result: 'sent' })),
  ],
  ['the same, another executed', 'I1', (e) => replace(e, done('execute', 'h2', 4.5, { result: 'sent' }))],
  [
    'a worker that took what the provider had refused before',
    'I1',
    (e) => {
      e.journal.push(...call(e.touches.find(({ id }) => id === 'h1')!, 40, false));
      e.passages.push({ touch: 'h1', at: atMs(39.9), again: false });
    },
  ],
  ...(['pause', 'unenroll'] as const).map((act): [string, Violation['invariant'], (e: Evidence) => void] => [
    `an execution whose gate came after the acknowledged ${act} of its enrollment`,
    'I1',
    (e) => {
      e.acks.push(ack(act, { class: 'enrollment', id: 'e4' }, 3.7));
    },
  ]),
  [
    'the same where only the gate let it go and nothing was called',
    'I1',
    (e) => {
      e.journal = e.journal.filter(({ touch_id }) => touch_id !== 'h1');
      e.acks.push(ack('pause', { class: 'enrollment', id: 'e4' }, 3.7));
    },
  ],
  [
    'a task taken up after its enrollment was paused',
    'I1',
    (e) => {
      e.acks.push(ack('pause', { class: 'enrollment', id: 'e5' }, 3.7));
    },
  ],
  [
    'a task taken up after its channel was switched off',
    'I1',
    (e) => {
      e.acks.push(ack('hold', { class: 'channel', id: 'task' }, 3.7));
    },
  ],
  [
    'a person told that it was sent, and nothing was accepted',
    'I3',
    (e) => {
      e.journal = e.journal.filter(({ touch_id, event }) => touch_id !== 'h1' || event !== 'accepted');
      e.touches.find(({ id }) => id === 'h1')!.state = 'failed';
    },
  ],
];

describe('the chaos checker on people', () => {
  it('finds nothing where nothing is wrong, and counts', () => {
    const { violations, counts } = judge(executed());
    expect(violations).toEqual([]);
    expect(counts).toMatchObject({ executions: 1, executions_refused: 0, taken_up: 1, passages: 4 });
  });

  for (const [name, invariant, plant] of FAULTS) {
    it(`[${invariant}] [DUE-2] finds ${name}`, () => {
      const evidence = executed();
      plant(evidence);
      expect(judge(evidence).violations.map((violation) => violation.invariant)).toContain(invariant);
    });
  }

  it('lets the receipt of a pause list what was executed just before', () => {
    const evidence = executed();
    const receipt = { id: 'r', epoch: 1, effective_at: atMs(3.8), in_flight: ['h1'], drained: false };
    evidence.acks.push(ack('pause', { class: 'enrollment', id: 'e4' }, 3.99, { receipt }));
    expect(judge(evidence).violations).toEqual([]);
  });

  it('lets one of two who executed at once be refused', () => {
    const evidence = executed();
    evidence.acks.push(done('execute', 'h1', 4.6, { ...REFUSED, reason: 'illegal_state' }));
    const { violations, counts } = judge(evidence);
    expect(violations).toEqual([]);
    expect(counts.executions_refused).toBe(1);
  });

  it('lets an execute that the provider refused for now be answered 409', () => {
    const evidence = executed();
    evidence.journal = evidence.journal.filter(
      ({ touch_id, event }) => touch_id !== 'h1' || event !== 'accepted',
    );
    Object.assign(evidence.touches.find(({ id }) => id === 'h1')!, { state: 'planned', due_at: atMs(4) });
    replace(evidence, done('execute', 'h1', 4.5, { status: 409, reason: 'throttled' }));
    expect(judge(evidence).violations).toEqual([]);
  });

  it('lets a worker repeat what a person sent under a key that the provider honours', () => {
    const evidence = executed();
    const human = evidence.touches.find(({ id }) => id === 'h1')!;
    human.sender = 'sK';
    evidence.journal = evidence.journal.filter(({ touch_id }) => touch_id !== 'h1');
    evidence.journal.push(...call(human, 4, false), ...call(human, 40));
    evidence.passages.push({ touch: 'h1', at: atMs(39.9), again: true });
    replace(evidence, done('execute', 'h1', 4.5, { result: 'unknown' }));
    expect(judge(evidence).violations).toEqual([]);
  });

  /** Let go twice for its one call: at first, and as the same bytes once more at 39.9 s. */
  function cutOff(first: number, again = true): Evidence {
    const evidence = executed();
    const human = evidence.touches.find(({ id }) => id === 'h1')!;
    human.sender = 'sK';
    evidence.journal = evidence.journal.filter(({ touch_id }) => touch_id !== 'h1');
    evidence.journal.push(...call(human, 40));
    evidence.passages = [
      ...evidence.passages.filter(({ touch: id }) => id !== 'h1'),
      { touch: 'h1', at: atMs(first), again: false },
      { touch: 'h1', at: atMs(39.9), again },
    ];
    replace(evidence, done('execute', 'h1', 4.5, { result: 'unknown' }));
    return evidence;
  }

  it('lets a worker repeat what a person sent and what was cut off before the provider saw it', () => {
    expect(judge(cutOff(4)).violations).toEqual([]);
  });

  for (const [name, evidence] of [
    ['nobody executed when it was first let go', () => cutOff(2)],
    ['it was let go anew', () => cutOff(4, false)],
  ] as const) {
    it(`[I1] [DUE-2] finds a call of a worker where ${name}`, () => {
      expect(judge(evidence()).violations.map(({ invariant }) => invariant)).toContain('I1');
    });
  }
});

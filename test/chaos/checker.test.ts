/** The checker judged: on evidence without a fault it is silent, and each planted fault is found, and named. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Ack, Evidence, JournalLine, Touch } from './checker/evidence.ts';
import type { Violation } from './checker/violation.ts';
import { ack, atMs, call, judge, sound, touch } from './sound.ts';

type Plant = (evidence: Evidence) => void;
const first = (evidence: Evidence) => evidence.touches[0]!;

const set =
  (part: (evidence: Evidence) => object, facts: object): Plant =>
  (evidence) => {
    Object.assign(part(evidence), facts);
  };

const STOPPED: [string, NonNullable<Ack['target']>][] = [
  ['pause', { class: 'enrollment', id: 'e1' }],
  ['unenroll', { class: 'enrollment', id: 'e1' }],
  ['react', { class: 'enrollment', id: 'e1' }],
  ['unsubscribe', { class: 'contact', id: 'c1', channel: 'email' }],
  ['hold', { class: 'sequence', id: 'q1' }],
  ['hold', { class: 'sender', id: 'sK' }],
  ['hold', { class: 'channel', id: 'email' }],
  ['hold', { class: 'organization', id: 'alder' }],
];

/** A call half a second after the stop was acknowledged. */
const stoppedBefore =
  (act: string, target: NonNullable<Ack['target']>, more: Partial<Ack> = {}): Plant =>
  (evidence) => {
    evidence.acks.push(ack(act, target, 0.5, more));
  };

/** What a person said of a touch that was unknown. */
function resolved(id: string, decision: string, seconds: number, more: Partial<Ack> = {}): Ack {
  return ack('resolve', { class: 'touch', id }, seconds, { receipt: null, decision, ...more });
}

function refusal(of: Touch, code: string): JournalLine {
  return { ...call(of, 3, false)[0]!, event: 'answered', answer: 422, code };
}

/** With a cap of one, and t1 and t2 accepted at 1 s and 2 s. */
const UNPARDONED: [string, Plant][] = [
  ['a person said that one was sent', (evidence) => evidence.acks.push(resolved('t1', 'sent', 5))],
  [
    'a person was refused who denied one',
    (evidence) => evidence.acks.push(resolved('t1', 'not_sent', 5, { status: 409 })),
  ],
  ['a person denied another', (evidence) => evidence.acks.push(resolved('t3', 'not_sent', 5))],
  [
    'a person had denied it before its call began',
    (evidence) => evidence.acks.push(resolved('t2', 'not_sent', 1.9)),
  ],
  [
    'a person denied one of three',
    (evidence) => {
      evidence.touches.push(touch('t4', { enrollment: 'e2' }));
      evidence.journal.push(...call(evidence.touches.at(-1)!, 2.5));
      evidence.acks.push(resolved('t1', 'not_sent', 5));
    },
  ],
  [
    'a person said once that it may go again, and it went twice more',
    (evidence) => {
      evidence.journal.push(...call(first(evidence), 1.5), ...call(first(evidence), 1.7));
      evidence.acks.push(resolved('t1', 'resend', 1.2));
    },
  ],
];

const FAULTS: [string, Violation['invariant'], Plant][] = [
  ...STOPPED.map(([act, target]): [string, Violation['invariant'], Plant] => [
    `a call after the acknowledged ${act} of its ${target.class}`,
    'I1',
    stoppedBefore(act, target),
  ]),
  [
    'a call after a stop whose resume came first, by their epochs',
    'I1',
    (evidence) => {
      const target = { class: 'sender', id: 'sK' } as const;
      const resumed = ack('release', target, 0.4);
      evidence.acks.push(resumed, ack('hold', target, 0.5));
    },
  ],
  [
    'a call for a touch older than the pause, though resumed since: a resume makes another',
    'I1',
    (evidence) => {
      const target = { class: 'enrollment', id: 'e1' } as const;
      evidence.acks.push(ack('pause', target, 0.5), ack('resume', target, 0.8));
    },
  ],
  [
    'a call after a stop that lists another touch',
    'I1',
    stoppedBefore(
      'pause',
      { class: 'enrollment', id: 'e1' },
      { receipt: { id: 'r', epoch: 1, effective_at: atMs(0.4), in_flight: ['t2'], drained: false } },
    ),
  ],
  [
    'the gate passed after the link to opt out was answered',
    'I1',
    stoppedBefore('unsubscribe', { class: 'contact', id: 'c1', channel: 'email' }, { receipt: null }),
  ],
  ['a touch accepted twice', 'I2', (evidence) => evidence.journal.push(...call(first(evidence), 1.5))],
  [
    'a touch of class N accepted twice without a resend',
    'I2',
    (evidence) => {
      first(evidence).sender = 'sN';
      evidence.journal = [...call(first(evidence), 1), ...call(first(evidence), 1.5)];
      evidence.touches[1]!.state = 'failed';
    },
  ],
  [
    'a step accepted as two touches',
    'I2',
    (evidence) => {
      const again = touch('t4', { step_id: 't1' });
      evidence.touches.push(again);
      evidence.journal.push(...call(again, 2));
    },
  ],
  [
    'one key with two bodies',
    'I2',
    (evidence) => evidence.journal.push({ ...call(first(evidence), 1.5, false)[0]!, body_hash: 'another' }),
  ],
  ['a call for an unknown touch', 'I3', (evidence) => evidence.journal.push(...call(touch('t9'), 1))],
  [
    'accepted, but counted as failed',
    'I3',
    (evidence) => {
      first(evidence).state = 'failed';
    },
  ],
  [
    'counted as sent, but never accepted',
    'I3',
    (evidence) => {
      evidence.journal = evidence.journal.filter((line) => line.touch_id !== 't1');
    },
  ],
  [
    'an acknowledged enrollment that is gone',
    'I3',
    (evidence) => {
      evidence.acks[0]!.enrolled!.push('e9');
    },
  ],
  ['still sending', 'I3', set((evidence) => evidence.touches[2]!, { state: 'sending' })],
  ['due and not taken up', 'I3', set((evidence) => evidence.touches[2]!, { due_at: atMs(10) })],
  ['never due', 'I3', set((evidence) => evidence.touches[2]!, { due_at: null })],
  ['still held', 'I3', set((evidence) => evidence.touches[2]!, { held_by: 'sequence' })],
  [
    'unknown where the provider can be asked',
    'I3',
    set((evidence) => evidence.touches[2]!, { state: 'unknown', sender: 'sL', needs_review: true }),
  ],
  [
    'unknown where the key could be used again',
    'I3',
    set((evidence) => evidence.touches[2]!, { state: 'unknown', needs_review: true }),
  ],
  [
    'unknown where the key could be used again, in quiet hours of another channel',
    'I3',
    (evidence) => {
      Object.assign(evidence.touches[2]!, { state: 'unknown', needs_review: true });
      evidence.acks.push(
        ack('quiet', { class: 'organization', id: 'alder', channel: 'sms' }, 2, { receipt: null }),
      );
    },
  ],
  [
    'unknown where the key could be used again, and let go after the quiet hours',
    'I3',
    (evidence) => {
      Object.assign(evidence.touches[2]!, { state: 'unknown', needs_review: true, gated_at: atMs(5) });
      evidence.acks.push(
        ack('quiet', { class: 'organization', id: 'alder', channel: 'email' }, 2, { receipt: null }),
      );
    },
  ],
  [
    'unknown, and nobody is asked',
    'I3',
    set((evidence) => evidence.touches[2]!, { state: 'unknown', sender: 'sN' }),
  ],
  [
    'a touch without its enrollment',
    'I3',
    (evidence) => {
      evidence.enrollments.pop();
      evidence.acks[0]!.enrolled!.pop();
    },
  ],
  [
    "another organization's account used for a recipient",
    'I7',
    set((evidence) => evidence.journal[0]!, { account: 'birch-K' }),
  ],
  ['a recipient of nobody', 'I7', set((evidence) => evidence.journal[0]!, { recipient: 'x@y.example' })],
  ["another organization's contact shown", 'I7', set((evidence) => evidence.touches[2]!, { contact: 'c2' })],
  ["another organization's sender shown", 'I7', set((evidence) => evidence.touches[2]!, { sender: 'b1' })],
  [
    'one touch shown to two organizations',
    'I7',
    (evidence) =>
      evidence.touches.push(
        touch('t3', { org: 'birch', contact: 'c2', sender: 'b1', enrollment: 'e3', state: 'cancelled' }),
      ),
  ],
  [
    "a probe of another organization's id that was answered",
    'I7',
    (evidence) => evidence.acks.push(ack('probe', null, 1, { receipt: null, status: 200 })),
  ],
  [
    'more accepted from an account than its day allows',
    'I8',
    set((evidence) => evidence.organizations[0]!.senders[0]!, { daily_limit: 0 }),
  ],
  [
    'more accepted from an account than its hour allows',
    'I8',
    set((evidence) => evidence.organizations[0]!.senders[0]!, { hourly_limit: 0 }),
  ],
  ['a contact over its cap', 'I13', set((evidence) => evidence.organizations[0]!, { daily_cap: 1 })],
  ...UNPARDONED.map(([name, plant]): [string, Violation['invariant'], Plant] => [
    `a contact over its cap, though ${name}`,
    'I13',
    (evidence) => {
      evidence.organizations[0]!.daily_cap = 1;
      plant(evidence);
    },
  ]),
  [
    'an account over its day, though a person denied a message of another account',
    'I8',
    (evidence) => {
      evidence.organizations[0]!.senders[0]!.daily_limit = 0;
      evidence.acks.push(resolved('t2', 'not_sent', 5));
    },
  ],
  ...(
    [
      ['the person was refused', resolved('t1', 'resend', 1.4, { status: 409 })],
      ['the person said so only afterwards', resolved('t1', 'resend', 1.8)],
      ['the person said that it was not sent', resolved('t1', 'not_sent', 1.4)],
      ['the person spoke of another', resolved('t2', 'resend', 1.4)],
    ] as const
  ).map(([name, said]): [string, Violation['invariant'], Plant] => [
    `a touch accepted twice, though ${name}`,
    'I2',
    (evidence) => {
      evidence.journal.push(...call(first(evidence), 1.5, true, 't1.2'));
      evidence.acks.push(said);
    },
  ]),
  [
    'a touch accepted three times where a person asked for one more',
    'I2',
    (evidence) => {
      evidence.journal.push(...call(first(evidence), 1.5), ...call(first(evidence), 1.7));
      evidence.acks.push(resolved('t1', 'resend', 1.4));
    },
  ],
  [
    'a step accepted as two touches, the first of them again on request',
    'I2',
    (evidence) => {
      const again = touch('t4', { step_id: 't1' });
      evidence.touches.push(again);
      evidence.journal = evidence.journal.filter((line) => line.touch_id !== 't1');
      evidence.journal.push(...call(first(evidence), 1.5), ...call(again, 2));
      evidence.acks.push(resolved('t1', 'resend', 1.2));
    },
  ],
  [
    'accepted and failed, though a person said that it was sent',
    'I3',
    (evidence) => {
      first(evidence).state = 'failed';
      evidence.acks.push(resolved('t1', 'sent', 1.5));
    },
  ],
  [
    'sent without being accepted, though a person denied it',
    'I3',
    (evidence) => {
      evidence.journal = evidence.journal.filter((line) => line.touch_id !== 't1');
      evidence.acks.push(resolved('t1', 'not_sent', 1.5));
    },
  ],
  [
    'unknown where the key could be used again, though a message to its contact was refused for its content',
    'I3',
    (evidence) => {
      Object.assign(evidence.touches[2]!, { state: 'unknown', needs_review: true });
      evidence.journal.push(refusal(evidence.touches[1]!, 'content_rejected'));
    },
  ],
];

describe('the chaos checker', () => {
  it('finds nothing where nothing is wrong', () => {
    const { violations, counts } = judge(sound());
    expect(violations).toEqual([]);
    expect(counts).toMatchObject({ calls: 2, sends: 2, stops: 1, late_listed: 0 });
  });

  for (const [name, invariant, plant] of FAULTS) {
    it(`[${invariant}] finds ${name}`, () => {
      const evidence = sound();
      plant(evidence);
      const { violations } = judge(evidence);
      expect(violations.map((violation) => violation.invariant)).toContain(invariant);
    });
  }

  it('lets a call be that the receipt lists, and counts it', () => {
    const evidence = sound();
    const listed = { id: 'r', epoch: 1, effective_at: atMs(0.4), in_flight: ['t1'], drained: false };
    for (const [act, target] of STOPPED) evidence.acks.push(ack(act, target, 0.5, { receipt: listed }));
    // The contact, the channel and the organization cover the other touch as well.
    evidence.touches[1]!.state = 'failed';
    evidence.journal = evidence.journal.filter((line) => line.touch_id === 't1');
    for (const each of evidence.touches) each.gated_at = atMs(0.3);
    const { violations, counts } = judge(evidence);
    expect(violations).toEqual([]);
    expect(counts.late_listed).toBe(1);
  });

  for (const [how, more] of [
    ['was answered', {}],
    ['was never answered', { status: null, receipt: null }],
    ['was refused on a repetition', { status: 409, receipt: null, tries: 2 }],
  ] as const) {
    it(`excuses a call when a resume that ${how} came between`, () => {
      const evidence = sound();
      const target = { class: 'sender', id: 'sK' } as const;
      evidence.acks.push(ack('hold', target, 0.5), ack('release', target, 0.8, more));
      expect(judge(evidence).violations).toEqual([]);
    });
  }

  it('does not excuse it when the resume was refused outright', () => {
    const evidence = sound();
    const target = { class: 'sender', id: 'sK' } as const;
    evidence.acks.push(ack('hold', target, 0.5), ack('release', target, 0.8, { status: 409, receipt: null }));
    expect(judge(evidence).violations.map(({ invariant }) => invariant)).toContain('I1');
  });

  for (const [said, state] of [
    ['not_sent', 'failed'],
    ['resend', 'cancelled'],
  ] as const) {
    it(`does not count against the cap what a person declared, by ${said}, not sent, and says so`, () => {
      const evidence = sound();
      evidence.organizations[0]!.daily_cap = 1;
      first(evidence).state = state;
      evidence.acks.push(resolved('t1', said, 1.5));
      const { violations, counts } = judge(evidence);
      expect(violations).toEqual([]);
      expect(counts.given_back).toBe(1);
    });
  }

  it('leaves the step of a message that a person denied to another touch', () => {
    const evidence = sound();
    const again = touch('t4', { step_id: 't1' });
    first(evidence).state = 'cancelled';
    evidence.touches.push(again);
    evidence.journal.push(...call(again, 2));
    evidence.acks.push(resolved('t1', 'resend', 1.5));
    expect(judge(evidence).violations).toEqual([]);
  });

  it('lets a message wait for a person whose address bounced before its key could be used again', () => {
    const evidence = sound();
    Object.assign(evidence.touches[2]!, { state: 'unknown', needs_review: true });
    evidence.journal.push(refusal(evidence.touches[1]!, 'mailbox_unknown'));
    expect(judge(evidence).violations).toEqual([]);
  });

  it('lets a message wait that met quiet hours since it was let go', () => {
    const evidence = sound();
    Object.assign(evidence.touches[2]!, { state: 'unknown', gated_at: atMs(1) });
    expect(judge(evidence).violations).not.toEqual([]);
    const quiet = { class: 'organization', id: 'alder', channel: 'email' } as const;
    evidence.acks.push(ack('quiet', quiet, 2, { receipt: null }));
    expect(judge(evidence).violations.filter(({ invariant }) => invariant === 'I3')).toEqual([]);
  });

  it('accepts a second sending that a person asked for', () => {
    const evidence = sound();
    evidence.journal.push(...call(first(evidence), 1.5, true, 't1.2'));
    const resend = { receipt: null, decision: 'resend' };
    evidence.acks.push(ack('resolve', { class: 'touch', id: 't1' }, 1.4, resend));
    expect(judge(evidence).violations).toEqual([]);
  });

  it('imports nothing of the product', () => {
    const folder = new URL('./checker/', import.meta.url);
    const imports = readdirSync(folder).flatMap((file) =>
      [...readFileSync(new URL(file, folder), 'utf8').matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(
        (match) => match[1]!,
      ),
    );
    expect(imports.length).toBeGreaterThan(10);
    expect(imports.filter((name) => !/^(node:|\.\/[a-z-]+\.ts$)/.test(name))).toEqual([]);
  });
});

/** The checker judged on time: the gate's passages, gaps, windows, quiet hours, caps of channels. */
import { describe, expect, it } from 'vitest';
import type { Evidence } from './checker/evidence.ts';
import type { Violation } from './checker/violation.ts';
import { ack, atMs, call, judge, sender, sound, touch } from './sound.ts';

/** Three messages of a paced sender, gaps of one and two seconds drawn: let go at 10, 11.4 and 13.8 s. */
function paced(): Evidence {
  const evidence = sound();
  const [alder] = evidence.organizations;
  alder!.senders.push(sender('sL-paced', 'alder-paced-L', { min_gap_s: 1, max_gap_s: 2, channel: 'sms' }));
  alder!.daily_cap = 10;
  evidence.passages = [];
  for (const [id, seconds, gap] of [
    ['p1', 10, 2_000],
    ['p2', 11.4, 1_000],
    ['p3', 13.8, 2_000],
  ] as const) {
    const one = touch(id, {
      sender: 'sL-paced',
      channel: 'sms',
      enrollment: 'e3',
      gap,
      gated_at: atMs(seconds),
    });
    evidence.touches.push(one);
    for (const line of call(one, seconds + 0.01))
      evidence.journal.push({ ...line, account: 'alder-paced-L' });
  }
  evidence.passages = evidence.journal
    .filter(({ event }) => event === 'begun')
    .map(({ touch_id, wall }) => ({ touch: touch_id!, at: Date.parse(wall) - 10, again: false }));
  return evidence;
}

type Plant = (evidence: Evidence) => void;

/** The last message of the paced sender is let go, and called, so much sooner. */
function sooner(evidence: Evidence, ms: number, what: 'gate' | 'call' | 'both' = 'both'): void {
  const passage = evidence.passages.find(({ touch: id }) => id === 'p3')!;
  if (what !== 'call') passage.at -= ms;
  if (what === 'gate') return;
  for (const line of evidence.journal.filter(({ touch_id }) => touch_id === 'p3')) {
    line.mono = String(BigInt(line.mono) - BigInt(ms) * 1_000_000n);
    line.wall = new Date(Date.parse(line.wall) - ms).toISOString();
  }
}

const pacedSender = (evidence: Evidence) =>
  evidence.organizations[0]!.senders.find(({ id }) => id === 'sL-paced')!;
const quiet = (act: 'quiet' | 'wake', seconds: number, more = {}) =>
  ack(act, { class: 'organization', id: 'alder', channel: 'sms' }, seconds, { receipt: null, ...more });

const FAULTS: [string, Violation['invariant'], Plant][] = [
  ['a gate that let a message go before its gap had passed', 'I9', (e) => sooner(e, 100, 'gate')],
  ['a message accepted before its gap had passed', 'I9', (e) => sooner(e, 600)],
  [
    'the same, the gap of which was told shorter than the sender keeps',
    'I9',
    (e) => {
      e.touches.find(({ id }) => id === 'p3')!.gap = 500;
      sooner(e, 600);
    },
  ],
  [
    'a gap longer than the sender keeps',
    'I9',
    (e) => {
      e.touches.find(({ id }) => id === 'p1')!.gap = 2_500;
    },
  ],
  [
    'a message of a paced sender without a gap',
    'I9',
    (e) => {
      e.touches.find(({ id }) => id === 'p1')!.gap = null;
    },
  ],
  [
    'the same bytes again before the least gap had passed',
    'I9',
    (e) => {
      e.passages.push({ touch: 'p1', at: atMs(14.9), again: true });
    },
  ],
  [
    'a gate after the window of the sequence',
    'I10',
    (e) => Object.assign(e.organizations[0]!.sequences[0]!, { closes: atMs(13) }),
  ],
  [
    'a gate before the window of the sequence',
    'I10',
    (e) => Object.assign(e.organizations[0]!.sequences[0]!, { opens: atMs(1.5) }),
  ],
  [
    'a gate after the window of the sender',
    'I10',
    (e) => Object.assign(pacedSender(e), { closes: atMs(13) }),
  ],
  [
    'a gate before the window of the sender',
    'I10',
    (e) => Object.assign(pacedSender(e), { opens: atMs(11) }),
  ],
  [
    'a gate that leaves less than the budget',
    'I10',
    (e) => Object.assign(pacedSender(e), { closes: atMs(14) }),
  ],
  [
    'a call long after the window, though the gate was in time',
    'I10',
    (e) => {
      Object.assign(pacedSender(e), { closes: atMs(14.3) });
      sooner(e, -7_000, 'call');
    },
  ],
  ['a call long after its budget', 'I10', (e) => sooner(e, -7_000, 'call')],
  ['a gate in quiet hours', 'I10', (e) => e.acks.push(quiet('quiet', 12), quiet('wake', 15))],
  ['a gate in quiet hours that nobody took away', 'I10', (e) => e.acks.push(quiet('quiet', 12))],
  [
    'a gate in quiet hours, though other ones were taken away',
    'I10',
    (e) => {
      const target = { class: 'organization', id: 'alder', channel: 'whatsapp' } as const;
      e.acks.push(quiet('quiet', 12), ack('wake', target, 13, { receipt: null }));
    },
  ],
  [
    'a call that no gate let go',
    'I4',
    (e) => {
      e.passages = e.passages.filter(({ touch: id }) => id !== 'p2');
    },
  ],
  ['a call before its gate', 'I4', (e) => sooner(e, 1_000, 'call')],
  [
    'two calls after one passage of the gate',
    'I4',
    (e) => e.journal.push(...call(e.touches.find(({ id }) => id === 'p1')!, 20, false)),
  ],
  [
    'a contact over the cap of a channel',
    'I13',
    (e) => {
      e.organizations[0]!.channel_caps = { sms: 2 };
    },
  ],
  [
    'more accepted from a paced account than its hour allows',
    'I8',
    (e) => Object.assign(pacedSender(e), { hourly_limit: 2 }),
  ],
  [
    'an account used for another channel',
    'I7',
    (e) => {
      e.touches.find(({ id }) => id === 'p1')!.channel = 'whatsapp';
    },
  ],
];

describe('the chaos checker on time', () => {
  it('finds nothing where nothing is wrong, and counts', () => {
    const { violations, counts } = judge(paced());
    expect(violations).toEqual([]);
    expect(counts).toMatchObject({
      gaps: 4,
      sends_email: 2,
      sends_sms: 3,
      late_calls: 0,
      held_against_openings: 0,
    });
  });

  for (const [name, invariant, plant] of FAULTS) {
    it(`[${invariant}] finds ${name}`, () => {
      const evidence = paced();
      plant(evidence);
      expect(judge(evidence).violations.map((violation) => violation.invariant)).toContain(invariant);
    });
  }

  it('lets windows be that are kept, and counts what was held against them', () => {
    const evidence = paced();
    Object.assign(pacedSender(evidence), { opens: atMs(9), closes: atMs(15) });
    const { violations, counts } = judge(evidence);
    expect(violations).toEqual([]);
    expect(counts.held_against_openings).toBe(3);
  });

  it('lets the same bytes go again after the least gap', () => {
    const evidence = paced();
    evidence.passages.push({ touch: 'p1', at: atMs(15.3), again: true });
    expect(judge(evidence).violations).toEqual([]);
  });

  it('lets a process that stood still bring two calls closer, and counts it', () => {
    const evidence = paced();
    for (const line of evidence.journal.filter(({ touch_id }) => touch_id === 'p2')) {
      line.mono = String(BigInt(line.mono) + 2_000_000_000n);
      line.wall = new Date(Date.parse(line.wall) + 2_000).toISOString();
    }
    const { violations, counts } = judge(evidence);
    expect(violations).toEqual([]);
    expect(counts.late_calls).toBe(1);
  });

  it('lets go what was let go before the quiet hours were answered for, and after they were taken away', () => {
    const evidence = paced();
    evidence.acks.push(quiet('quiet', 10.5), quiet('wake', 11.2), quiet('quiet', 12), quiet('wake', 13.8));
    expect(judge(evidence).violations).toEqual([]);
  });

  it('excuses it when an earlier request to take them away may have taken effect late', () => {
    const evidence = paced();
    evidence.acks.push(quiet('wake', 11.5, { tries: 3 }), quiet('quiet', 12), quiet('wake', 15));
    expect(judge(evidence).violations).toEqual([]);
  });
});

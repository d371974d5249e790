/** The checker judged on what is told of contacts: each planted fault is found, and what is no fault is not. */
import { describe, expect, it } from 'vitest';
import type { Ack, Evidence } from './checker/evidence.ts';
import { ack, judge, sound } from './sound.ts';

const CONTACT = { class: 'contact', id: 'c1' } as const;
const E3 = { class: 'enrollment', id: 'e3' } as const;

/** At 5 s, when all three of the contact's enrollments had been acknowledged. */
function told(more: Partial<Ack> = {}): Ack {
  return ack('tell', CONTACT, 5, { receipt: null, event: 'churned', event_id: 'v1', ...more });
}

/** Told, and all of them ended by it. */
function ended(): Evidence {
  const evidence = sound();
  evidence.acks.push(told());
  evidence.told.push({ id: 'v1', org: 'alder', reacted: true });
  for (const enrollment of evidence.enrollments) enrollment.status = 'exited';
  evidence.touches[2]!.state = 'cancelled';
  return evidence;
}

const alive = (evidence: Evidence, status = 'active') => {
  evidence.enrollments[2]!.status = status;
};

describe('the chaos checker, of what is told', () => {
  it('finds nothing where all that was told was done, and counts it', () => {
    const evidence = ended();
    evidence.acks.push(ack('react', E3, 5));
    const { violations, counts } = judge(evidence);
    expect(violations).toEqual([]);
    expect(counts).toMatchObject({ told: 1, reactions: 1 });
  });

  const FAULTS: [string, string, (evidence: Evidence) => void][] = [
    ['an acknowledged event is gone', 'I3', ({ told: known }) => known.pop()],
    [
      'an acknowledged event was never reacted to',
      'I3',
      (evidence) => {
        evidence.told[0]!.reacted = false;
      },
    ],
    ['active, though an event that ends it was told', 'I1', (evidence) => alive(evidence)],
    ['paused, though an event that ends it was told', 'I1', (evidence) => alive(evidence, 'paused')],
    [
      'active, though an event that ends it was told',
      'I1',
      (evidence) => {
        alive(evidence);
        evidence.acks.push(ack('restart', E3, 4));
      },
    ],
    [
      'active, though an event that ends it was told',
      'I1',
      (evidence) => {
        alive(evidence);
        evidence.acks.push(ack('restart', E3, 8, { status: 409, receipt: null }));
      },
    ],
  ];
  for (const [n, [what, invariant, plant]] of FAULTS.entries()) {
    it(`[${invariant}] finds ${what} (${n})`, () => {
      const evidence = ended();
      plant(evidence);
      expect(judge(evidence).violations).toMatchObject([{ invariant, what }]);
    });
  }

  const NO_FAULTS: [string, (evidence: Evidence) => void][] = [
    ['somebody restarted it afterwards', ({ acks }) => acks.push(ack('restart', E3, 8))],
    [
      'a restart before it was never answered',
      ({ acks }) => acks.push(ack('restart', E3, 4, { status: null, receipt: null })),
    ],
    [
      'it was enrolled when the event had begun to be told',
      ({ acks }) => {
        acks.at(-1)!.began = acks[0]!.began;
      },
    ],
    [
      'the event ends nothing there',
      ({ acks }) => {
        acks.at(-1)!.event = 'news.read';
      },
    ],
    [
      'the event was refused',
      ({ acks, told: known }) => {
        Object.assign(acks.at(-1)!, { status: 409, event_id: undefined });
        known.pop();
      },
    ],
    [
      'the event was told of somebody else',
      ({ acks }) => {
        acks.at(-1)!.target = { class: 'contact', id: 'c2' };
      },
    ],
  ];
  for (const [name, excuse] of NO_FAULTS) {
    it(`leaves a live enrollment be where ${name}`, () => {
      const evidence = ended();
      alive(evidence);
      excuse(evidence);
      expect(judge(evidence).violations).toEqual([]);
    });
  }
});

/** Evidence of a run without a fault, for tests of the checker: each plants one in it. */
import { checkEvidence } from './checker/check.ts';
import type { Ack, Evidence, JournalLine, Sender, Touch } from './checker/evidence.ts';

const SECOND = 1_000_000_000n;
const START = 1_000n * SECOND;
const START_MS = Date.parse('2026-11-22T10:00:00Z');
export const at = (seconds: number) => String(START + BigInt(Math.round(seconds * 1e9)));
export const atMs = (seconds: number) => START_MS + seconds * 1_000;

export function touch(id: string, more: Partial<Touch> = {}): Touch {
  return {
    id,
    org: 'alder',
    enrollment: 'e1',
    sequence: 'q1',
    sender: 'sK',
    contact: 'c1',
    channel: 'email',
    mode: 'automatic',
    state: 'sent',
    step_id: id,
    generation: 1,
    needs_review: false,
    held_by: null,
    due_at: null,
    gated_at: atMs(1),
    created_at: atMs(0),
    gap: null,
    ...more,
  };
}

export function sender(id: string, account: string, more: Partial<Sender> = {}): Sender {
  return {
    ...{ id, account, channel: 'email', class: account.at(-1) as Sender['class'], forgets: false },
    ...{ daily_limit: null, hourly_limit: null, min_gap_s: null, max_gap_s: null, opens: null, closes: null },
    ...more,
  };
}

let calls = 0;

/** A call that began at a time, and whether it was accepted. */
export function call(of: Touch, seconds: number, accepted = true, key = `${of.id}.1`): JournalLine[] {
  const kind = of.sender!.at(1) as 'K' | 'L' | 'N';
  const line = {
    call: ++calls,
    wall: new Date(atMs(seconds)).toISOString(),
    class: kind,
    account: `alder-${kind}`,
    touch_id: of.id,
    key,
    recipient: 'p1@alder.example.org',
    body_hash: `body of ${of.id}`,
  };
  const begun: JournalLine = { ...line, event: 'begun', mono: at(seconds) };
  return accepted ? [begun, { ...line, event: 'accepted', mono: at(seconds + 0.01) }] : [begun];
}

let acks = 0;

export function ack(act: string, target: Ack['target'], seconds: number, more: Partial<Ack> = {}): Ack {
  return {
    n: ++acks,
    org: 'alder',
    act,
    target,
    began: at(seconds - 0.1),
    ended: at(seconds),
    ended_at: atMs(seconds),
    tries: 1,
    status: 200,
    receipt: {
      id: `r${acks}`,
      epoch: acks,
      effective_at: atMs(seconds - 0.05),
      in_flight: [],
      drained: true,
    },
    ...more,
  };
}

/** Two touches sent, one waiting for tomorrow, and an unenroll that came after the calls. */
export function sound(): Evidence {
  const t1 = touch('t1');
  const t2 = touch('t2', { sender: 'sL', enrollment: 'e2' });
  const t3 = touch('t3', { state: 'planned', due_at: atMs(86_400), gated_at: null, enrollment: 'e3' });
  return {
    read_at: atMs(60),
    from: atMs(0),
    until: atMs(60),
    budget: 400,
    freeze: 4_000,
    organizations: [
      {
        label: 'alder',
        id: 'o1',
        daily_cap: 3,
        channel_caps: {},
        senders: ['K', 'L', 'N'].map((kind) => sender(`s${kind}`, `alder-${kind}`, { daily_limit: 3 })),
        sequences: [{ id: 'q1', ends_on: ['churned'], opens: null, closes: null }],
        contacts: { c1: ['p1@alder.example.org', '+491555000001'] },
      },
      {
        label: 'birch',
        id: 'o2',
        daily_cap: null,
        channel_caps: {},
        senders: [sender('b1', 'birch-K')],
        sequences: [],
        contacts: { c2: ['p2@birch.example.org'] },
      },
    ],
    touches: [t1, t2, t3],
    enrollments: ['e1', 'e2', 'e3'].map((id) => ({
      id,
      org: 'alder',
      contact: 'c1',
      sequence: 'q1',
      status: 'active',
    })),
    journal: [...call(t1, 1), ...call(t2, 2)],
    passages: [],
    told: [],
    acks: [
      ack('enroll', { class: 'sequence', id: 'q1' }, 0.5, { receipt: null, enrolled: ['e1', 'e2', 'e3'] }),
      ack('unenroll', { class: 'enrollment', id: 'e1' }, 3),
    ],
  };
}

/** Every call was let go just before it began, where nothing else is planted. */
export function judge(evidence: Evidence) {
  if (evidence.passages.length === 0)
    evidence.passages = evidence.journal
      .filter(({ event, touch_id }) => event === 'begun' && touch_id)
      .map(({ touch_id, wall }) => ({ touch: touch_id!, at: Date.parse(wall) - 10, again: false }))
      .sort((a, b) => a.at - b.at);
  return checkEvidence(evidence);
}

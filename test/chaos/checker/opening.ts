/**
 * I10: nothing goes outside its window or inside quiet hours. Windows are those of the sequence and of the sender, as
 * moments; quiet hours hold from the answer to the request that set them until one that may lift them begins. Judged by
 * the gate's time, which must leave the whole budget, and by the calls the provider saw: one may begin later than its
 * budget only where its process stood still, and no longer than any did.
 */
import { overAt, succeeded } from './effect.ts';
import type { Ack, Evidence, Opening, Touch } from './evidence.ts';
import { CLOCK_MS, passageBefore, passagesOf } from './passages.ts';
import type { Violation } from './violation.ts';

/** Beside a freeze: a machine that is busy with everything at once. */
const SLACK_MS = 2_000;

export interface OpeningResult {
  violations: Violation[];
  /** Passages that were held against a window or quiet hours. */
  held_against: number;
  /** Calls that began after their budget: their processes stood still. */
  late_calls: number;
}

/** When a touch may go: both of its sequence and its sender. What people do themselves they do when they like. */
export function openingsOf({ organizations }: Pick<Evidence, 'organizations'>): (touch: Touch) => Opening {
  const all = new Map(
    organizations.flatMap(({ senders, sequences }) =>
      [...senders, ...sequences].map(({ id, opens, closes }) => [id, { opens, closes }] as const),
    ),
  );
  return ({ sequence, sender }) => {
    if (sender === null) return { opens: null, closes: null };
    const both = [all.get(sequence), all.get(sender)];
    const opens = both.flatMap((one) => one?.opens ?? []);
    const closes = both.flatMap((one) => one?.closes ?? []);
    return {
      opens: opens.length > 0 ? Math.max(...opens) : null,
      closes: closes.length > 0 ? Math.min(...closes) : null,
    };
  };
}

export function checkOpenings(evidence: Evidence): OpeningResult {
  const touches = new Map(evidence.touches.map((touch) => [touch.id, touch]));
  const openingOf = openingsOf(evidence);
  const quiet = quietTimes(evidence.acks);
  const result: OpeningResult = { violations: [], held_against: 0, late_calls: 0 };
  for (const passage of evidence.passages) {
    const touch = touches.get(passage.touch);
    if (!touch || touch.sender === null) continue;
    const { opens, closes } = openingOf(touch);
    const silences = quiet.get(`${touch.org} ${touch.channel}`) ?? [];
    if (opens !== null || closes !== null || silences.length > 0) result.held_against++;
    const tell = (what: string) =>
      result.violations.push({ invariant: 'I10', what, touch: touch.id, org: touch.org, at: passage.at });
    if (opens !== null && passage.at < opens) tell(`let go ${opens - passage.at} ms before its window opens`);
    if (closes !== null && passage.at + evidence.budget > closes)
      tell(`let go ${closes - passage.at} ms before its window closes, with a budget of ${evidence.budget}`);
    if (silences.some(({ from, to }) => passage.at > from && passage.at < to)) tell('let go in quiet hours');
  }
  checkCalls(evidence, touches, openingOf, result);
  return result;
}

function checkCalls(
  evidence: Evidence,
  touches: ReadonlyMap<string, Touch>,
  openingOf: (touch: Touch) => Opening,
  result: OpeningResult,
): void {
  const byTouch = passagesOf(evidence);
  const { budget, freeze } = evidence;
  for (const line of evidence.journal) {
    const touch = line.event === 'begun' ? touches.get(line.touch_id ?? '') : undefined;
    if (!touch) continue;
    const began = Date.parse(line.wall);
    const { opens, closes } = openingOf(touch);
    const tell = (what: string) =>
      result.violations.push({ invariant: 'I10', what, touch: touch.id, org: touch.org, call: line.call });
    if (opens !== null && began < opens - CLOCK_MS)
      tell(`called ${opens - began} ms before its window opens`);
    if (closes !== null && began > closes + freeze + SLACK_MS)
      tell(`called ${began - closes} ms after its window closed`);
    const passage = passageBefore(byTouch, line);
    const late = passage ? began - passage.at - budget : 0;
    if (late > CLOCK_MS) result.late_calls++;
    if (late > freeze + SLACK_MS)
      tell(`called ${late} ms after its budget, longer than any process stood still`);
  }
}

interface Silence {
  from: number;
  to: number;
}

/** By organization and channel. A request that may still lift them excuses what comes until it surely does not. */
function quietTimes(acks: readonly Ack[]): Map<string, Silence[]> {
  const silences = new Map<string, Silence[]>();
  const lifts = acks.filter(({ act }) => act === 'wake');
  for (const ack of acks) {
    if (ack.act !== 'quiet' || !succeeded(ack) || !ack.target) continue;
    const { org, target } = ack;
    const since = BigInt(ack.began);
    const mayLift = lifts.filter((lift) => lift.org === org && lift.target?.channel === target.channel);
    const doubtful = mayLift.some((lift) => BigInt(lift.began) < since && lingers(lift) > since);
    const next = mayLift.filter((lift) => BigInt(lift.began) >= since).map((lift) => beganAt(lift));
    if (doubtful) continue;
    const key = `${org} ${target.channel}`;
    const to = Math.min(Number.POSITIVE_INFINITY, ...next);
    silences.set(key, [...(silences.get(key) ?? []), { from: ack.ended_at + CLOCK_MS, to }]);
  }
  return silences;
}

/** A repeated request may have left a first try behind, in a process that stands still. */
const lingers = (ack: Ack) => overAt(ack.tries > 1 ? { ...ack, status: null } : ack);

/** On the clock of the database. */
const beganAt = (ack: Ack) => ack.ended_at - Number(BigInt(ack.ended) - BigInt(ack.began)) / 1e6 - CLOCK_MS;

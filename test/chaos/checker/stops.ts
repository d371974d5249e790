/**
 * I1: after a stop is acknowledged, a provider call for a touch it covers begins only if its receipt lists it. Every
 * call is held against every acknowledged stop of its enrollment, contact, sequence, sender, channel and organization;
 * and so is every passage of the gate, which is all that there is of what people do themselves.
 *
 * A later resume excuses a call only where one may have come between: a request without an answer may take effect
 * until its process is surely gone, and epochs tell which of two answered ones came first.
 */
import { certainlyRefused, overAt, succeeded } from './effect.ts';
import { type Ack, type Evidence, RESUMES, STOPS, type TargetClass, type Touch } from './evidence.ts';
import { CLOCK_MS } from './passages.ts';
import type { Violation } from './violation.ts';

export interface StopsResult {
  violations: Violation[];
  /** Calls that began after an acknowledged stop and were listed by it: the guarantee at work. */
  late_listed: number;
  /** Calls after an acknowledged stop with a resume between. */
  after_resume: number;
  /** Pairs of call, or passage of the gate, and earlier stop that were looked at. */
  compared: number;
}

interface Stop {
  ack: Ack;
  began: bigint;
  ended: bigint;
  listed: Set<string>;
}

interface Resume {
  ack: Ack;
  began: bigint;
  /** After this it takes effect no more. */
  over: bigint;
  epoch: number | null;
}

interface Target {
  stops: Stop[];
  resumes: Resume[];
}

export function checkStops(evidence: Evidence): StopsResult {
  const targets = byTarget(evidence.acks);
  const touches = new Map(evidence.touches.map((touch) => [touch.id, touch]));
  const result: StopsResult = { violations: [], late_listed: 0, after_resume: 0, compared: 0 };
  for (const line of evidence.journal) {
    const touch = line.event === 'begun' && line.touch_id ? touches.get(line.touch_id) : undefined;
    if (!touch) continue;
    const { call, key, class: kind } = line;
    const begun = { what: 'a call began', at: BigInt(line.mono), facts: { call, key, class: kind } };
    const { listed, resumed } = checkBeginning(begun, touch, targets, result);
    if (listed) result.late_listed++;
    if (resumed) result.after_resume++;
  }
  for (const { touch: id, at: wall } of evidence.passages) {
    const touch = touches.get(id);
    const at = monotonic(evidence.acks, wall - CLOCK_MS);
    if (touch && at !== null) checkBeginning({ what: 'let go', at, facts: {} }, touch, targets, result);
  }
  result.violations.push(...gatedAfterOptOut(evidence));
  return result;
}

/** A moment of the wall clock on that of the calls: each acknowledgement was timed by both. */
function monotonic(acks: readonly Ack[], wall: number): bigint | null {
  const [first] = acks;
  return first ? BigInt(first.ended) + BigInt(Math.round((wall - first.ended_at) * 1e6)) : null;
}

/** Something that may not begin after a stop. */
interface Beginning {
  what: string;
  at: bigint;
  facts: Record<string, unknown>;
}

/** The link in a message answers a page, not a receipt: but nothing of the contact may pass the gate any more. */
function gatedAfterOptOut(evidence: Evidence): Violation[] {
  const out = new Map<string, Ack>();
  for (const ack of evidence.acks) {
    if (ack.act !== 'unsubscribe' || !ack.target || !succeeded(ack)) continue;
    const key = `${ack.target.id} ${ack.target.channel}`;
    const known = out.get(key);
    if (!known || ack.ended_at < known.ended_at) out.set(key, ack);
  }
  return evidence.touches.flatMap(({ id, contact, channel, gated_at, org }) => {
    const ack = out.get(`${contact} ${channel}`);
    if (!ack || gated_at === null || gated_at <= ack.ended_at + CLOCK_MS) return [];
    const what = `let go ${gated_at - ack.ended_at} ms after its contact had opted out`;
    return [{ invariant: 'I1' as const, what, touch: id, contact, org, ack: ack.n }];
  });
}

function checkBeginning(
  beginning: Beginning,
  touch: Touch,
  targets: Map<string, Target>,
  result: StopsResult,
): { listed: boolean; resumed: boolean } {
  const { at } = beginning;
  let listed = false;
  let resumed = false;
  for (const [kind, id] of targetsOf(touch)) {
    const target = targets.get(keyOf(touch.org, kind, id));
    for (const stop of target?.stops ?? []) {
      if (stop.ended >= at) continue;
      result.compared++;
      if (stop.listed.has(touch.id)) listed = true;
      else if (excused(kind, stop, touch, target!.resumes, at)) resumed = true;
      else result.violations.push(violation(beginning, touch, kind, stop));
    }
  }
  return { listed, resumed };
}

function excused(
  kind: TargetClass,
  stop: Stop,
  touch: Touch,
  resumes: readonly Resume[],
  at: bigint,
): boolean {
  // An opt-out is never resumed, and what an End found planned it cancelled: a resume makes another touch.
  if (kind === 'contact') return false;
  if (kind === 'enrollment' && touch.created_at < stop.ack.receipt!.effective_at) return false;
  return resumes.some(
    (resume) =>
      resume.began < at &&
      resume.over > stop.began &&
      (resume.epoch === null || resume.epoch > stop.ack.receipt!.epoch),
  );
}

function targetsOf(touch: Touch): [TargetClass, string][] {
  return [
    ['enrollment', touch.enrollment],
    ['contact', `${touch.contact} ${touch.channel}`],
    ['sequence', touch.sequence],
    ...(touch.sender === null ? [] : [['sender', touch.sender] as [TargetClass, string]]),
    ['channel', touch.channel],
    ['organization', touch.org],
  ];
}

const keyOf = (org: string, kind: TargetClass, id: string) => `${org} ${kind} ${id}`;

function byTarget(acks: readonly Ack[]): Map<string, Target> {
  const targets = new Map<string, Target>();
  for (const ack of acks) {
    if (!ack.target) continue;
    const isStop = (STOPS as readonly string[]).includes(ack.act);
    const isResume = (RESUMES as readonly string[]).includes(ack.act);
    if (!isStop && !isResume) continue;
    const { class: kind, id, channel } = ack.target;
    // Who opts out leaves one channel.
    const key = keyOf(ack.org, kind, kind === 'contact' ? `${id} ${channel}` : id);
    const target = targets.get(key) ?? { stops: [], resumes: [] };
    targets.set(key, target);
    const [began, ended] = [BigInt(ack.began), BigInt(ack.ended)];
    if (isStop && succeeded(ack) && ack.receipt)
      target.stops.push({ ack, began, ended, listed: new Set(ack.receipt.in_flight) });
    if (isResume && !certainlyRefused(ack))
      target.resumes.push({
        ack,
        began,
        over: overAt(ack),
        epoch: succeeded(ack) ? (ack.receipt?.epoch ?? null) : null,
      });
  }
  return targets;
}

function violation({ what, at, facts }: Beginning, touch: Touch, kind: TargetClass, stop: Stop): Violation {
  return {
    invariant: 'I1',
    what: `${what} ${Number(at - stop.ended) / 1e6} ms after the acknowledged ${stop.ack.act} of its ${kind}, which does not list it`,
    touch: touch.id,
    enrollment: touch.enrollment,
    org: touch.org,
    mode: touch.mode,
    ...facts,
    receipt: stop.ack.receipt!.id,
    ack: stop.ack.n,
  };
}

/**
 * I1: after a stop is acknowledged, a provider call for a touch it covers begins only if its receipt lists it. Every
 * call is held against every acknowledged stop of its enrollment, contact, sequence, sender, channel and organization.
 *
 * A later resume excuses a call only where one may have come between: a request without an answer may take effect
 * until its process is surely gone, and epochs tell which of two answered ones came first.
 */
import { certainlyRefused, overAt, succeeded } from './effect.ts';
import {
  type Ack,
  type Evidence,
  type JournalLine,
  RESUMES,
  STOPS,
  type TargetClass,
  type Touch,
} from './evidence.ts';
import type { Violation } from './violation.ts';

export interface StopsResult {
  violations: Violation[];
  /** Calls that began after an acknowledged stop and were listed by it: the guarantee at work. */
  late_listed: number;
  /** Calls after an acknowledged stop with a resume between. */
  after_resume: number;
  /** Pairs of call and earlier stop that were looked at. */
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
    if (touch) checkCall(line, touch, targets, result);
  }
  result.violations.push(...gatedAfterOptOut(evidence));
  return result;
}

/** Two clocks of one machine, read by two processes. */
const CLOCK_MS = 5;

/** The link in a message answers a page, not a receipt: but nothing of the contact may pass the gate any more. */
function gatedAfterOptOut(evidence: Evidence): Violation[] {
  const out = new Map<string, Ack>();
  for (const ack of evidence.acks) {
    if (ack.act !== 'unsubscribe' || !ack.target || !succeeded(ack)) continue;
    const known = out.get(ack.target.id);
    if (!known || ack.ended_at < known.ended_at) out.set(ack.target.id, ack);
  }
  return evidence.touches.flatMap(({ id, contact, gated_at, org }) => {
    const ack = out.get(contact);
    if (!ack || gated_at === null || gated_at <= ack.ended_at + CLOCK_MS) return [];
    const what = `let go ${gated_at - ack.ended_at} ms after its contact had opted out`;
    return [{ invariant: 'I1' as const, what, touch: id, contact, org, ack: ack.n }];
  });
}

function checkCall(line: JournalLine, touch: Touch, targets: Map<string, Target>, result: StopsResult): void {
  const at = BigInt(line.mono);
  let listed = false;
  let resumed = false;
  for (const [kind, id] of targetsOf(touch)) {
    const target = targets.get(keyOf(touch.org, kind, id));
    for (const stop of target?.stops ?? []) {
      if (stop.ended >= at) continue;
      result.compared++;
      if (stop.listed.has(touch.id)) listed = true;
      else if (excused(kind, stop, touch, target!.resumes, at)) resumed = true;
      else result.violations.push(violation(line, touch, kind, stop, at));
    }
  }
  if (listed) result.late_listed++;
  if (resumed) result.after_resume++;
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
    ['contact', touch.contact],
    ['sequence', touch.sequence],
    ['sender', touch.sender],
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
    const key = keyOf(ack.org, ack.target.class, ack.target.id);
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

function violation(line: JournalLine, touch: Touch, kind: TargetClass, stop: Stop, at: bigint): Violation {
  return {
    invariant: 'I1',
    what: `a call began ${Number(at - stop.ended) / 1e6} ms after the acknowledged ${stop.ack.act} of its ${kind}, which does not list it`,
    touch: touch.id,
    enrollment: touch.enrollment,
    org: touch.org,
    call: line.call,
    key: line.key,
    class: line.class,
    receipt: stop.ack.receipt!.id,
    ack: stop.ack.n,
  };
}

/**
 * What people do. No worker sends what waits for a person: each call for it lies in a request to execute it, or repeats
 * one under the same key. A request that was refused sent nothing, and one that was told `sent` did. (That a stop before
 * the gate of an execute holds is judged in `stops.ts`, like every stop.)
 */
import { certainlyRefused, overAt, succeeded } from './effect.ts';
import type { Ack, Evidence, JournalLine, Passage, Touch } from './evidence.ts';
import { CLOCK_MS, passageBefore, passagesOf } from './passages.ts';
import type { Violation } from './violation.ts';
import { acceptancesOf, wordsOf } from './word.ts';

export function checkPeople(evidence: Evidence): Violation[] {
  const people = new Map(
    evidence.touches
      .filter(({ mode, sender }) => mode === 'human' && sender !== null)
      .map((touch) => [touch.id, touch]),
  );
  const executes = executesOf(evidence.acks);
  return [...unasked(evidence, people, executes), ...toldSent(evidence, people)];
}

/** By touch, or by enrollment where somebody asked for what it waits for. */
function executesOf(acks: readonly Ack[]): Map<string, Ack[]> {
  const executes = new Map<string, Ack[]>();
  for (const ack of acks) {
    if (ack.act !== 'execute' || !ack.target) continue;
    executes.set(ack.target.id, [...(executes.get(ack.target.id) ?? []), ack]);
  }
  return executes;
}

function unasked(
  evidence: Evidence,
  people: ReadonlyMap<string, Touch>,
  executes: ReadonlyMap<string, Ack[]>,
): Violation[] {
  const accepted = new Set(
    evidence.journal.filter(({ event }) => event === 'accepted').map(({ call }) => call),
  );
  const words = wordsOf(evidence);
  const byTouch = passagesOf(evidence);
  const keys = new Set<string>();
  const found: Violation[] = [];
  for (const line of evidence.journal) {
    const touch = line.event === 'begun' ? people.get(line.touch_id ?? '') : undefined;
    if (!touch) continue;
    // Where the provider honours keys, a worker may find out what became of the first call by it.
    const all = [...(executes.get(touch.id) ?? []), ...(executes.get(touch.enrollment) ?? [])];
    const known = line.class === 'K' && (keys.has(line.key ?? '') || repeats(line, byTouch, all));
    if (line.key) keys.add(line.key);
    const during = all.filter((ack) => lasts(ack, line));
    if (during.some((ack) => !certainlyRefused(ack)) || (known && during.length === 0)) continue;
    const facts = { touch: touch.id, org: touch.org, call: line.call, key: line.key };
    if (during.length === 0)
      found.push({
        invariant: 'I1',
        what: 'a call for a step that waits for a person, and nobody had executed it',
        ...facts,
      });
    else if (accepted.has(line.call) && !words.has(touch.id))
      found.push({
        invariant: 'I1',
        what: `accepted, though all that executed it were refused: ${during.map(({ reason }) => reason).join()}`,
        acks: during.map(({ n }) => n),
        ...facts,
      });
  }
  return found;
}

/** The same bytes once more, of what the gate let go within an execute: that call was cut off before the provider saw it. */
function repeats(line: JournalLine, byTouch: Map<string, Passage[]>, executes: readonly Ack[]): boolean {
  const last = passageBefore(byTouch, line);
  if (!last?.again) return false;
  const first = byTouch.get(last.touch)!.findLast(({ at, again }) => !again && at < last.at);
  return first !== undefined && executes.some((ack) => !certainlyRefused(ack) && covers(ack, first.at));
}

/** On the wall's clock: its end, and how long it took and may yet take. */
function covers(ack: Ack, at: number): boolean {
  const ms = (ns: bigint) => Number(ns) / 1e6;
  const began = ack.ended_at - ms(BigInt(ack.ended) - BigInt(ack.began));
  const over = ack.ended_at + ms(overAt(ack) - BigInt(ack.ended));
  return began - CLOCK_MS <= at && at <= over + CLOCK_MS;
}

function lasts(ack: Ack, { mono }: JournalLine): boolean {
  const at = BigInt(mono);
  return BigInt(ack.began) <= at && at <= (certainlyRefused(ack) ? BigInt(ack.ended) : overAt(ack));
}

function toldSent(evidence: Evidence, people: ReadonlyMap<string, Touch>): Violation[] {
  const accepted = new Set(acceptancesOf(evidence).map(({ touch }) => touch));
  const words = wordsOf(evidence);
  const told = evidence.acks.filter(
    (ack) => ack.act === 'execute' && ack.result === 'sent' && succeeded(ack),
  );
  return told.flatMap(({ target, n }): Violation[] => {
    if (target?.class !== 'touch' || !people.has(target.id)) return [];
    if (accepted.has(target.id) || words.has(target.id)) return [];
    const what = 'told that it was sent, but the provider has no such message';
    return [{ invariant: 'I3', what, touch: target.id, ack: n }];
  });
}

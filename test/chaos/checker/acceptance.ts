/**
 * I2: one touch is accepted at most once, unless a person said resend; one step of an enrollment too; a key never
 * carries two bodies. And of I3 what the provider can tell: what it accepted is counted as sent (or still asked
 * about), what is counted as sent it accepted, and it never saw a touch that does not exist.
 */
import type { Evidence, Touch } from './evidence.ts';
import type { Violation } from './violation.ts';

export function checkAcceptance(evidence: Evidence): Violation[] {
  const touches = new Map(evidence.touches.map((touch) => [touch.id, touch]));
  const accepted = countBy(evidence, 'accepted');
  const decided = decisions(evidence);
  return [
    ...twice(evidence, accepted, decided),
    ...stepsTwice(touches, accepted, decided),
    ...keysReused(evidence),
    ...strangers(evidence, touches),
    ...untrue(evidence, accepted, decided),
  ];
}

function countBy(evidence: Evidence, event: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of evidence.journal) {
    if (line.event === event && line.touch_id)
      counts.set(line.touch_id, (counts.get(line.touch_id) ?? 0) + 1);
  }
  return counts;
}

interface Decisions {
  resends: Map<string, number>;
  /** Touches that a person said something about. */
  touched: Set<string>;
}

function decisions(evidence: Evidence): Decisions {
  const resends = new Map<string, number>();
  const touched = new Set<string>();
  for (const ack of evidence.acks) {
    if (ack.act !== 'resolve' || !ack.target) continue;
    touched.add(ack.target.id);
    if (ack.decision === 'resend') resends.set(ack.target.id, (resends.get(ack.target.id) ?? 0) + ack.tries);
  }
  return { resends, touched };
}

function twice(evidence: Evidence, accepted: Map<string, number>, { resends }: Decisions): Violation[] {
  const found: Violation[] = [];
  const classes = new Map(evidence.journal.map((line) => [line.touch_id, line.class]));
  for (const [touch, count] of accepted) {
    if (count <= 1 + (resends.get(touch) ?? 0)) continue;
    const lines = evidence.journal.filter((line) => line.event === 'accepted' && line.touch_id === touch);
    found.push({
      invariant: 'I2',
      what: `accepted ${count} times`,
      touch,
      class: classes.get(touch),
      keys: lines.map((line) => line.key),
      at: lines.map((line) => line.wall),
    });
  }
  return found;
}

/** Pausing and resuming never sends a step twice, though each resume may plan a touch of its own. */
function stepsTwice(
  touches: Map<string, Touch>,
  accepted: Map<string, number>,
  { resends }: Decisions,
): Violation[] {
  const steps = new Map<string, string[]>();
  for (const id of accepted.keys()) {
    const touch = touches.get(id);
    if (!touch) continue;
    const step = `${touch.enrollment} ${touch.generation} ${touch.step_id}`;
    steps.set(step, [...(steps.get(step) ?? []), id]);
  }
  return [...steps]
    .filter(([, ids]) => ids.length > 1 && ids.every((id) => !resends.has(id)))
    .map(([step, ids]) => ({
      invariant: 'I2',
      what: `a step was accepted as ${ids.length} touches`,
      step,
      touches: ids,
    }));
}

/** The same key with other bytes: a class K provider would have refused, any other would not have noticed. */
function keysReused(evidence: Evidence): Violation[] {
  const bodies = new Map<string, string>();
  const found = new Map<string, Violation>();
  for (const { event, key, body_hash, touch_id } of evidence.journal) {
    if (event !== 'begun' || !key || body_hash === undefined) continue;
    const known = bodies.get(key);
    bodies.set(key, known ?? body_hash);
    if (known !== undefined && known !== body_hash)
      found.set(key, { invariant: 'I2', what: 'one key carried two bodies', touch: touch_id, key });
  }
  return [...found.values()];
}

function strangers(evidence: Evidence, touches: Map<string, Touch>): Violation[] {
  const seen = new Set<string>();
  for (const { event, touch_id } of evidence.journal) {
    if (event === 'begun' && touch_id && !touches.has(touch_id)) seen.add(touch_id);
  }
  return [...seen].map((touch) => ({
    invariant: 'I3',
    what: 'the provider was called for a touch that the API does not know',
    touch,
  }));
}

function untrue(evidence: Evidence, accepted: Map<string, number>, { touched }: Decisions): Violation[] {
  return evidence.touches.flatMap((touch): Violation[] => {
    if (touched.has(touch.id)) return [];
    const { id, state, enrollment } = touch;
    if (accepted.has(id) && state !== 'sent' && state !== 'unknown')
      return [{ invariant: 'I3', what: `accepted by the provider, but ${state}`, touch: id, enrollment }];
    if (!accepted.has(id) && state === 'sent')
      return [{ invariant: 'I3', what: 'sent, but the provider has no such message', touch: id, enrollment }];
    return [];
  });
}

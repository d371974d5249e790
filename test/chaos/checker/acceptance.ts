/**
 * I2: one touch is accepted at most once, unless a person said resend before; one step of an enrollment too; a key never
 * carries two bodies. And of I3 what the provider can tell: what it accepted is counted as sent (or still asked
 * about), what is counted as sent it accepted, and it never saw a touch that does not exist.
 */
import type { Evidence, Touch } from './evidence.ts';
import type { Violation } from './violation.ts';
import { type Acceptance, acceptancesOf, deniesSending, givenBack, type Word, wordsOf } from './word.ts';

export function checkAcceptance(evidence: Evidence): Violation[] {
  const touches = new Map(evidence.touches.map((touch) => [touch.id, touch]));
  const accepted = new Map<string, Acceptance[]>();
  for (const acceptance of acceptancesOf(evidence)) {
    if (acceptance.touch === '') continue;
    accepted.set(acceptance.touch, [...(accepted.get(acceptance.touch) ?? []), acceptance]);
  }
  const words = wordsOf(evidence);
  return [
    ...twice(evidence, accepted, words),
    ...stepsTwice(touches, accepted, words),
    ...keysReused(evidence),
    ...strangers(evidence, touches),
    ...untrue(evidence, accepted, words),
  ];
}

type Accepted = Map<string, Acceptance[]>;
type Words = Map<string, Word[]>;

/** Each acceptance after the first needs a word of its own that it may go again, said before its call began. */
function twice(evidence: Evidence, accepted: Accepted, words: Words): Violation[] {
  const found: Violation[] = [];
  const classes = new Map(evidence.journal.map((line) => [line.touch_id, line.class]));
  for (const [touch, acceptances] of accepted) {
    const resends = (words.get(touch) ?? []).filter(({ said }) => said === 'resend');
    const unasked = acceptances.some(
      ({ began }, nth) => resends.filter((resend) => resend.began < began).length < nth,
    );
    if (!unasked) continue;
    found.push({
      invariant: 'I2',
      what: `accepted ${acceptances.length} times`,
      touch,
      class: classes.get(touch),
      keys: acceptances.map(({ key }) => key),
      at: acceptances.map(({ wall }) => wall),
    });
  }
  return found;
}

/** Pausing and resuming never sends a step twice, though each resume may plan a touch of its own. */
function stepsTwice(touches: Map<string, Touch>, accepted: Accepted, words: Words): Violation[] {
  const given = givenBack([...accepted.values()].flat(), words);
  const steps = new Map<string, string[]>();
  for (const [id, acceptances] of accepted) {
    const touch = touches.get(id);
    // Whose sending a person denied leaves its step to another.
    if (!touch || acceptances.every((acceptance) => given.has(acceptance))) continue;
    const step = `${touch.enrollment} ${touch.generation} ${touch.step_id}`;
    steps.set(step, [...(steps.get(step) ?? []), id]);
  }
  return [...steps]
    .filter(([, ids]) => ids.length > 1)
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

function untrue(evidence: Evidence, accepted: Accepted, words: Words): Violation[] {
  return evidence.touches.flatMap((touch): Violation[] => {
    const { id, state, enrollment, sender } = touch;
    // No provider knows what people did themselves.
    if (sender === null) return [];
    const said = words.get(id) ?? [];
    if (accepted.has(id) && state !== 'sent' && state !== 'unknown' && !said.some(deniesSending))
      return [{ invariant: 'I3', what: `accepted by the provider, but ${state}`, touch: id, enrollment }];
    if (!accepted.has(id) && state === 'sent' && said.every(deniesSending))
      return [{ invariant: 'I3', what: 'sent, but the provider has no such message', touch: id, enrollment }];
    return [];
  });
}

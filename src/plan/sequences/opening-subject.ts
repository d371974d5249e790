/**
 * A follow-up without a subject answers in its thread. Where there is no thread, because what would have opened it was
 * skipped by a person, a condition or a branch, it opens one itself, under the subject of the nearest e-mail before it in
 * the list that has one; publish sees to it that the first has.
 */
import type { Definition, Step } from './definition.ts';
import { perStep } from './steps/step-kind.ts';

/** Once a step and subject: what is parsed of a step hangs on the object. */
const opening = perStep(() => new Map<string, Step>());

/** `step`: as the contact gets it. `armed`: what the contact would get of another step. */
export function withOpeningSubject(
  definition: Pick<Definition, 'steps'>,
  stepNo: number,
  step: Step,
  armed: (before: Step) => Step,
): Step {
  if (step.channel !== 'email' || step.subject?.trim()) return step;
  const subject = openerBefore(definition, stepNo, armed)?.subject;
  return subject === undefined ? step : opened(step, subject);
}

/** The step that would have opened the thread, as the contact gets it. */
export function openerBefore(
  { steps }: Pick<Definition, 'steps'>,
  stepNo: number,
  armed: (before: Step) => Step,
): Step | undefined {
  for (const before of steps.slice(0, stepNo).reverse()) {
    const step = before.channel === 'email' ? armed(before) : before;
    if (step.channel === 'email' && step.subject?.trim()) return step;
  }
  return undefined;
}

function opened(step: Step, subject: string): Step {
  const known = opening(step);
  let made = known.get(subject);
  if (made === undefined) {
    made = { ...step, subject };
    known.set(subject, made);
  }
  return made;
}

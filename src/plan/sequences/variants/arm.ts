/**
 * Which arm of a step a contact gets [SEQ-14]. Pure, and nothing of it is stored before a message goes: it follows from
 * contact, step and the arms of the published version, so every worker, preview, draft and retry says the same.
 *
 * Weighted rendezvous hashing: each arm draws a number for the contact, by a hash of contact, step and the arm's key,
 * and the arm with the least -ln(number) / weight has it (Schindelhauer and Schomaker, "Weighted Distributed Hash
 * Tables", SPAA 2005). So shares are as the weights; a contact changes its arm only towards one that gained weight beside
 * its own, was added, or because its own was removed; and where an arm stands in the list means nothing.
 */
import { createHash } from 'node:crypto';
import type { Uuid } from '../../../kernel/ids.ts';
import type { Step, Variant } from '../definition.ts';
import { perStep } from '../steps/step-kind.ts';

/** variant_of in variants.sql counts by the same rule; a test compares them. */
const HEX_DIGITS = 13;
const RANGE = 2 ** (4 * HEX_DIGITS);

/** A step as it is composed: with what its arm says, where it has arms. */
export interface ArmedStep {
  step: Step;
  /** Null: the step has no variants. */
  variant: string | null;
}

/** `variants` must not be empty. */
export function assignedArm(
  stepId: Uuid,
  contact: Uuid,
  variants: readonly Pick<Variant, 'key' | 'weight'>[],
): string {
  let arm = variants[0]!.key;
  let least = Number.POSITIVE_INFINITY;
  for (const { key, weight } of variants) {
    const drawn = -Math.log(uniform(`${contact}.${stepId}.${key}`)) / weight;
    if (drawn > least || (drawn === least && key > arm)) continue;
    arm = key;
    least = drawn;
  }
  return arm;
}

/** Between 0 and 1, neither of them. */
function uniform(text: string): number {
  const digits = createHash('sha256').update(text).digest('hex').slice(0, HEX_DIGITS);
  return (Number.parseInt(digits, 16) + 0.5) / RANGE;
}

/** The step that each arm makes of it, once a step. */
const armsOf = perStep(
  (step) => new Map((step.variants ?? []).map((variant) => [variant.key, withVariant(step, variant)])),
);

/**
 * What a contact gets. `sent`: the arm that the touch has gone with before, which it keeps; `winner`: the arm declared
 * for the step. Both count only while the version has such an arm.
 */
export function armedStep(
  step: Step,
  contact: Uuid,
  { sent = null, winner = null }: { sent?: string | null; winner?: string | null | undefined },
): ArmedStep {
  if (step.variants === undefined || step.variants.length === 0) return { step, variant: null };
  const arms = armsOf(step);
  for (const key of [sent, winner]) {
    const kept = key === null ? undefined : arms.get(key);
    if (kept) return { step: kept, variant: key };
  }
  const variant = assignedArm(step.id, contact, step.variants);
  return { step: arms.get(variant)!, variant };
}

/** Subject, body and template are replaced each as a whole: a new text beside the old HTML would be two messages in one. */
export function withVariant(step: Step, variant: Variant): Step {
  const { variants: _, winner: __, ...armed } = step;
  const { subject, body_text, body_html, template } = variant;
  if (subject !== undefined) armed.subject = subject;
  if (body_text === undefined && body_html === undefined && template === undefined) return armed;
  delete armed.body_text;
  delete armed.body_html;
  delete armed.template;
  if (body_text !== undefined) armed.body_text = body_text;
  if (body_html !== undefined) armed.body_html = body_html;
  if (template !== undefined) armed.template = template;
  return armed;
}

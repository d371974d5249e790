/**
 * What keeps a step with arms from being published [SEQ-14]: all of it at once, each with step, variant and field. An arm
 * is checked as the step that it makes. Pure.
 */
import { Problem } from '../../../kernel/problem.ts';
import type { Definition, Step, Variant } from '../definition.ts';
import type { StepCheck } from '../steps/step-kind.ts';
import { STEP_KINDS } from '../steps/step-kinds.ts';
import { withVariant } from './arm.ts';

const MIN_VARIANTS = 2;
/** Far below what anybody means, far above where shares would be lost in rounding. */
const MIN_WEIGHT = 0.001;

/** `foreign` reports fields that the channel does not have. */
export function checkContent(
  step: Step,
  where: StepCheck,
  foreign: (step: Pick<Step, 'channel'>, report: StepCheck['report']) => void,
): void {
  const { report } = where;
  foreign(step, report);
  if (step.variants === undefined) {
    if (step.winner)
      report('winner', 'no_variants', 'A winner is one of several variants; the step has none');
    STEP_KINDS[step.channel].check(step, where);
    return;
  }
  checkArms(step, step.variants, report);
  const told = new Set<string>();
  step.variants.forEach((variant, i) => {
    const at = `variants[${i}]`;
    const inArm = (field: string, code: string, message: string) =>
      report(`${at}.${field}`, code, `Variant ${variant.key}: ${message}`);
    foreign({ ...variant, channel: step.channel }, inArm);
    STEP_KINDS[step.channel].check(withVariant(step, variant), {
      ...where,
      report(field, code, message) {
        if (isOwn(variant, step, field)) inArm(field, code, message);
        // What an arm takes from the step is the step's fault, and all arms find it.
        else if (!told.has(`${field} ${code} ${message}`)) report(field, code, message);
        told.add(`${field} ${code} ${message}`);
      },
      sound(part) {
        where.sound(isOwn(variant, step, part.field) ? { ...part, field: `${at}.${part.field}` } : part, i);
      },
    });
  });
}

function checkArms({ channel }: Step, variants: readonly Variant[], report: StepCheck['report']): void {
  if (channel === 'webhook')
    report('variants', 'not_for_channel', 'A webhook step has no variants: nobody reads it');
  if (channel === 'wait')
    report('variants', 'not_for_channel', 'A wait has no variants: it decides by conditions');
  if (variants.length < MIN_VARIANTS)
    report('variants', 'too_few', `Give at least ${MIN_VARIANTS} variants, or none`);
  const seen = new Set<string>();
  variants.forEach(({ key, weight }, i) => {
    if (seen.has(key))
      report(`variants[${i}].key`, 'duplicate_key', `Another variant of this step is called ${key}`);
    seen.add(key);
    if (weight < MIN_WEIGHT)
      report(
        `variants[${i}].weight`,
        'bad_weight',
        `Variant ${key}: the weight must be at least ${MIN_WEIGHT}`,
      );
  });
}

/** Is what is wrong the arm's, and not what it takes from the step? */
function isOwn(variant: Variant, step: Step, field: string): boolean {
  const part = field.split(/[.[]/)[0]!;
  const isBody = part.startsWith('body_') || part === 'template';
  const body = isBody && ('body_text' in variant || 'body_html' in variant);
  return body || part in variant || !(part in step);
}

/** @throws Problem invalid_request */
export function requireVariant({ steps }: Definition, key: string): void {
  if (steps.some((step) => step.variants?.some((variant) => variant.key === key))) return;
  const message = 'No step of the sequence has a variant of this key';
  throw new Problem('invalid_request', message, {
    errors: [{ field: 'variant', code: 'unknown_variant', message }],
  });
}

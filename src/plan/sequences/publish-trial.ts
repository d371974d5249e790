/**
 * Renders the templates of a draft with a sample contact before it is published [SEQ-5]: one that never ends or prints
 * without measure would have every touch of its step skipped. In: the templates that are sound otherwise, by step. Out:
 * problems with step, field and remedy. No transaction is open meanwhile.
 */
import type { AttributeType } from '../../contacts/attribute-value.ts';
import { type TrialPart, tryParts } from '../../content/trial.ts';
import type { TemplateVars } from '../../content/variables.ts';
import type { FieldError } from '../../kernel/problem.ts';

/** Each takes half a second and more of the one worker: whoever has so many knows what to look for in the others. */
const MAX_FOUND = 10;

/** `parts`: by message, their fields as they are reported; what arms of a step share is told once. */
export async function trialErrors(
  parts: readonly (readonly TrialPart[])[],
  attributes: ReadonlyMap<string, AttributeType>,
): Promise<FieldError[]> {
  const samples = [filled(attributes), {}];
  const errors: FieldError[] = [];
  for (const ofMessage of parts) {
    if (errors.length >= MAX_FOUND) break;
    const open = ofMessage.filter(({ field }) => !errors.some((error) => error.field === field));
    errors.push(...(await tryParts(open, samples)));
  }
  return errors;
}

const SAMPLES: { readonly [T in AttributeType]: unknown } = {
  text: 'Example',
  number: 12,
  boolean: true,
  date: '2026-11-22',
};

/** Somebody of whom everything is known. */
export function sampleContact(attributes: ReadonlyMap<string, AttributeType>) {
  return {
    first_name: 'Alexandra',
    last_name: 'Example',
    email: 'alexandra@example.com',
    phone: '+12025550123',
    linkedin: 'https://www.linkedin.com/in/example',
    company: 'Example Company',
    title: 'Head of Examples',
    attributes: Object.fromEntries([...attributes].map(([key, type]) => [key, SAMPLES[type]])),
  };
}

function filled(attributes: ReadonlyMap<string, AttributeType>): TemplateVars {
  return {
    contact: sampleContact(attributes),
    sender: { name: 'Sam Sender', email: 'sam@example.com', address: 'sam@example.com' },
    organization: { name: 'Example Organization', postal_address: '1 Example Street, Exampleton' },
    sequence: { name: 'Example' },
    unsubscribe_url: 'https://example.com/u/example',
  };
}

/**
 * WhatsApp sends a template only while it is approved, and takes the approval away: for hours where people complain, for
 * good where they go on, or because somebody edits or deletes it. One rule for what sends, what shows a step that waits,
 * and the list of sequences that cannot go on. A step whose template is not approved waits, whatever took the approval:
 * that is a matter of the account, which a person can mend, and says nothing about the contact. Pure.
 */
import type { Uuid } from '../../kernel/ids.ts';
import type { TemplateState } from '../../senders/templates.ts';
import type { Definition, Step } from './definition.ts';

const APPROVED = 'APPROVED';
/** The words that do not change by themselves; those that WhatsApp has not told us yet count with the others. */
const GIVEN_UP: ReadonlySet<string> = new Set([
  'REJECTED',
  'DISABLED',
  'DELETED',
  'PENDING_DELETION',
  'ARCHIVED',
]);

/** By sender, name and language, of those senders whose templates are known. */
export type TemplateStates = ReadonlyMap<string, string | null>;

type Named = Pick<TemplateState, 'sender_id' | 'name' | 'language'>;

function keyOf({ sender_id, name, language }: Named): string {
  return `${sender_id} ${name} ${language}`;
}

export function byTemplate(states: readonly TemplateState[]): TemplateStates {
  return new Map(states.map((one) => [keyOf(one), one.status]));
}

/** Every template that some contact may get of the step. */
export function templatesOf(
  step: Pick<Step, 'channel' | 'template' | 'variants'>,
): Pick<TemplateState, 'name' | 'language'>[] {
  if (step.channel !== 'whatsapp') return [];
  return [step, ...(step.variants ?? [])].flatMap(({ template }) =>
    template === undefined ? [] : [{ name: template.name, language: template.language }],
  );
}

/** Every template of a sequence in the account of every sender that may send it. */
export function namedBy(
  { steps }: Pick<Definition, 'steps'>,
  senders: Iterable<{ id: Uuid; channel: string }>,
): Named[] {
  const named = steps.flatMap(templatesOf);
  return [...senders]
    .filter(({ channel }) => channel === 'whatsapp')
    .flatMap(({ id }) => named.map((template) => ({ sender_id: id, ...template })));
}

function stateRefusal(status: string | null): 'template_paused' | 'template_unavailable' | null {
  if (status === APPROVED) return null;
  return status === null || GIVEN_UP.has(status) ? 'template_unavailable' : 'template_paused';
}

/** Why it may not go from this sender now; null: it may, or nothing is known. */
export function templateRefusal(
  { channel, template }: Pick<Step, 'channel' | 'template'>,
  sender_id: Uuid,
  states: TemplateStates | null,
): ReturnType<typeof stateRefusal> {
  if (states === null || channel !== 'whatsapp' || template === undefined) return null;
  const status = states.get(keyOf({ sender_id, name: template.name, language: template.language }));
  return status === undefined ? null : stateRefusal(status);
}

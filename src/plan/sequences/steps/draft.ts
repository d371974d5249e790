/**
 * What a person, or a language model for them, wrote in place of a step's template. It is put into the step as text that
 * nothing is replaced in, so that it is composed, framed and sent by the same code as the template. Pure.
 */
import { CHANNELS, type Channel } from '../../../kernel/channels.ts';
import type { Step } from '../definition.ts';

export const DRAFT_SOURCES = ['person', 'model'] as const;
export type DraftSource = (typeof DRAFT_SOURCES)[number];

/** Null: as the template has it. */
export interface DraftText {
  subject: string | null;
  text: string | null;
  html: string | null;
}

/** As somebody gives it. */
export type DraftContent = { [P in keyof DraftText]?: DraftText[P] | undefined };

export interface Draft extends DraftText {
  source: DraftSource;
  at: Date;
}

/** Which parts of a step a person may write; none where the provider has approved a template, or gets data. */
export function editableParts(step: Pick<Step, 'channel' | 'template'>): (keyof DraftText)[] {
  if (step.channel === 'email') return ['subject', 'text', 'html'];
  return step.template !== undefined || !isTextual(step.channel) ? [] : ['text'];
}

function isTextual(channel: Channel): boolean {
  return CHANNELS[channel].by === 'person' || CHANNELS[channel].writes_to !== null;
}

export function withDraft(step: Step, draft: DraftText): Step {
  const edited: Step = { ...step };
  if (draft.subject !== null) edited.subject = literal(draft.subject);
  if (draft.text === null && draft.html === null) return edited;
  // The part that is not written is made from the other one, not left as the template had it.
  delete edited.body_text;
  delete edited.body_html;
  if (draft.text !== null) edited.body_text = literal(draft.text);
  if (draft.html !== null) edited.body_html = literal(draft.html);
  return edited;
}

/** A template that prints just this. */
function literal(text: string): string {
  return text.replace(/\{(?=[{%])/g, "{{ '{' }}");
}

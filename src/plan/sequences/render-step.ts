/**
 * What one step becomes for one contact before anything is sent: the code that composes the real thing, for the preview
 * and for a test to oneself [TEN-4]. Reads only.
 */
import type { Tx } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import { CHANNELS } from '../../kernel/channels.ts';
import type { Uuid } from '../../kernel/ids.ts';
import type { Message } from '../../kernel/message.ts';
import { notFound } from '../../kernel/problem.ts';
import type { Planning } from './calendar.ts';
import { addressFor, type Note, type Recipient, type StepInput } from './steps/step-kind.ts';
import { STEP_KINDS } from './steps/step-kinds.ts';
import type { ArmedStep } from './variants/arm.ts';

export interface KnownRecipient extends Recipient {
  id: Uuid;
  time_zone: string | null;
}

export interface RenderScene {
  org: Uuid;
  sequence: { id: Uuid; name: string };
  planning: Planning;
  contact: Recipient & { id: Uuid };
  unsubscribe_url: string;
}

export interface StepContent {
  subject: string | null;
  text: string | null;
  html: string | null;
  /** What its provider would get, or what a person is told; null when it cannot be composed. */
  message: Message | Note | null;
  /** Why it would not go as it is. */
  problem: { code: string; detail: string } | null;
}

export const NO_CONTENT: StepContent = {
  subject: null,
  text: null,
  html: null,
  message: null,
  problem: null,
};

export function withoutContent(code: string, detail: string): StepContent {
  return { ...NO_CONTENT, problem: { code, detail } };
}

/** @throws Problem not_found */
export async function readRecipient(tx: Tx, org: Uuid, id: Uuid): Promise<KnownRecipient> {
  const contact = await tx.maybe<KnownRecipient>(sql`
    SELECT id, first_name, last_name, email, phone, whatsapp, telegram, linkedin, company, title, time_zone, attributes
      FROM contacts WHERE org_id = ${org} AND id = ${id}`);
  if (!contact) throw notFound('contact', id);
  return contact;
}

/** Each step is composed by itself: a follow-up answers what the one before it became. */
export async function renderStep(
  scene: RenderScene,
  { step, variant }: ArmedStep,
  sender: Uuid | null,
  touch: StepInput['touch'],
  thread: StepInput['thread'],
): Promise<StepContent> {
  const { contact, planning } = scene;
  const { writes_to, consent } = CHANNELS[step.channel];
  if (writes_to !== null && addressFor(step.channel, contact) === null)
    return withoutContent('no_address', `The contact has no ${writes_to} for ${step.channel}`);
  const [result] = await STEP_KINDS[step.channel].compose([
    {
      org: scene.org,
      sequence: scene.sequence,
      step,
      variant,
      touch,
      contact_id: contact.id,
      recipient: contact,
      sender: sender === null ? null : planning.senders.get(sender)!,
      organization: planning.organization,
      unsubscribe_url: consent === null ? null : scene.unsubscribe_url,
      thread,
    },
  ]);
  if (!result!.ok) return withoutContent(result!.reason, result!.detail);
  const { message } = result!;
  return {
    subject: 'subject' in message ? message.subject : null,
    text: 'text' in message ? message.text : null,
    html: 'html' in message ? (message.html ?? null) : null,
    message,
    problem: null,
  };
}

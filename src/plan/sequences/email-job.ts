/**
 * From a step, a contact and a sender to the job that composing takes. One builder for what is sent and for what is
 * previewed, so that a preview shows what will go.
 */
import { createHash } from 'node:crypto';
import type { EmailJob } from '../../content/compose-email.ts';
import { emailHeaders } from '../../content/headers.ts';
import type { Uuid } from '../../kernel/ids.ts';
import type { SenderSettings } from '../../senders/senders.ts';
import type { Step } from './definition.ts';

export interface Recipient {
  first_name: string | null;
  last_name: string | null;
  email: string;
  company: string | null;
  title: string | null;
  attributes: Record<string, unknown> | null;
}

export interface EmailJobInput {
  org: Uuid;
  sequence: { id: Uuid; name: string };
  step: Step;
  touch: { id: Uuid; key_n: number };
  recipient: Recipient;
  sender: Pick<SenderSettings, 'name' | 'from_name' | 'from_address' | 'reply_to'>;
  organization: { name: string; postal_address: string | null };
  unsubscribe_url: string;
  /** What went before: the first subject, and each e-mail sent as `touch.key number`, oldest first. */
  thread: { subject: string; sent: readonly string[] } | null;
}

export function emailJob(input: EmailJobInput): EmailJob {
  const { organization, recipient, sender, touch } = input;
  const name = [recipient.first_name, recipient.last_name].filter(Boolean).join(' ');
  const job: EmailJob = {
    template: templateOf(input.step),
    vars: {
      contact: recipient,
      sender: { name: sender.from_name ?? sender.name, email: sender.from_address },
      organization: { name: organization.name, postal_address: organization.postal_address },
      sequence: { name: input.sequence.name },
      unsubscribe_url: input.unsubscribe_url,
    },
    from:
      sender.from_name === null
        ? { address: sender.from_address }
        : { name: sender.from_name, address: sender.from_address },
    to: name === '' ? { address: recipient.email } : { name, address: recipient.email },
    message_id: messageId(touch.id, touch.key_n, sender.from_address),
    headers: emailHeaders({
      unsubscribe_url: input.unsubscribe_url,
      feedback_id: `${input.sequence.id}:${input.step.id}:${input.org}:cadenza`,
    }),
  };
  if (sender.reply_to !== null) job.reply_to = { address: sender.reply_to };
  if (input.thread !== null) {
    job.thread = {
      subject: input.thread.subject,
      message_ids: input.thread.sent.map((sent) => messageIdOf(sent, sender.from_address)),
    };
  }
  return job;
}

const templates = new WeakMap<Step, EmailJob['template']>();

/** One object a step, so that what is parsed from it can be kept by identity. */
export function templateOf(step: Step): EmailJob['template'] {
  let template = templates.get(step);
  if (template === undefined) {
    const sources = {
      subject: step.subject ?? '',
      text: step.body_text ?? null,
      html: step.body_html ?? null,
    };
    template = { ...sources, hash: createHash('sha256').update(JSON.stringify(sources)).digest('base64url') };
    templates.set(step, template);
  }
  return template;
}

/** A touch's Message-ID, without brackets: derived, so that a follow-up finds its thread and a look-up its message. */
export function messageId(touch: Uuid, keyN: number, fromAddress: string): string {
  return messageIdOf(`${touch}.${keyN}`, fromAddress);
}

/** The same from `touch.key number`, as an enrollment's thread keeps it. */
function messageIdOf(sent: string, fromAddress: string): string {
  return `${sent}@${fromAddress.slice(fromAddress.lastIndexOf('@') + 1)}`;
}

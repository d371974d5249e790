/** E-mail: subject, text and HTML, in the thread that the last one with a subject of its own opened. */
import { writtenBodies } from '../../../content/assemble.ts';
import { printsNothing } from '../../../content/blank-body.ts';
import { composeEmail, draftEmails, type EmailJob, prepareEmail } from '../../../content/compose-email.ts';
import { keyed } from '../../../content/content-hash.ts';
import { emailHeaders } from '../../../content/headers.ts';
import type { Uuid } from '../../../kernel/ids.ts';
import { invariant } from '../../../kernel/invariant.ts';
import type { EmailMessage } from '../../../kernel/message.ts';
import type { Step } from '../definition.ts';
import {
  checkSource,
  isBlank,
  PRINTS_NOTHING,
  perStep,
  type StepCheck,
  type StepInput,
  type StepKind,
  varsOf,
} from './step-kind.ts';

export const emailStep: StepKind<EmailMessage> = {
  check,
  compose: (batch) => composeEmail(batch.map(emailJob)),
  draft: (batch) =>
    draftEmails(
      batch.map((input) => ({
        template: templateOf(input.step),
        vars: varsOf(input),
        thread_subject: input.thread?.subject ?? null,
      })),
    ),
  rekeyed: (message, { touch, sender }, keyN) => ({
    ...message,
    message_id: messageId(touch.id, keyN, sender!.from_address),
  }),
};

function emailJob(input: StepInput): EmailJob {
  const { recipient, sender, touch, unsubscribe_url } = input;
  invariant(
    sender !== null && recipient.email !== null && unsubscribe_url !== null,
    'an e-mail has both ends',
  );
  const name = [recipient.first_name, recipient.last_name].filter(Boolean).join(' ');
  const job: EmailJob = {
    template: templateOf(input.step),
    vars: varsOf(input),
    from:
      sender.from_name === null
        ? { address: sender.from_address }
        : { name: sender.from_name, address: sender.from_address },
    to: name === '' ? { address: recipient.email } : { name, address: recipient.email },
    message_id: messageId(touch.id, touch.key_n, sender.from_address),
    headers: emailHeaders({
      unsubscribe_url,
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

const templateOf = perStep(({ subject = '', body_text = null, body_html = null }) =>
  keyed('email', { subject, text: body_text, html: body_html }),
);

/** A touch's Message-ID, without brackets: derived, so that a follow-up finds its thread and a look-up its message. */
export function messageId(touch: Uuid, keyN: number, fromAddress: string): string {
  return messageIdOf(`${touch}.${keyN}`, fromAddress);
}

/** The same from `touch.key number`, as an enrollment's thread keeps it. */
function messageIdOf(sent: string, fromAddress: string): string {
  return `${sent}@${fromAddress.slice(fromAddress.lastIndexOf('@') + 1)}`;
}

function check(step: Step, where: StepCheck): void {
  const { is_first, report } = where;
  if (is_first && isBlank(step.subject)) {
    report('subject', 'required', 'The first e-mail needs a subject; later ones may answer in its thread');
  }
  if (isBlank(step.body_text) && isBlank(step.body_html)) {
    report('body_text', 'required', 'The e-mail has no body: give body_text or body_html');
    return;
  }
  const parts = [
    { field: 'subject', kind: 'subject', source: step.subject ?? '' },
    { field: 'body_text', kind: 'text', source: step.body_text ?? '' },
    { field: 'body_html', kind: 'html', source: step.body_html ?? '' },
  ] as const;
  const sound = parts.filter((part) => !checkSource('email', where, part)).length === 0;
  // Its parts are sound; with layout and footer it must be too.
  const whole = sound ? prepareEmail(templateOf(step)) : null;
  if (sound && writtenBodies(templateOf(step).source).every(printsNothing)) {
    report(isBlank(step.body_html) ? 'body_text' : 'body_html', 'empty_body', PRINTS_NOTHING);
  }
  if (whole && !whole.ok) {
    report(isBlank(step.body_html) ? 'body_text' : 'body_html', 'template_error', whole.detail);
  }
}

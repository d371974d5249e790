/**
 * E-mails from templates and data: what the dispatcher calls. In: a batch of jobs, plain data. Out, in the same
 * order: a message with its hash and the values used, or a typed refusal that skips this message alone.
 */
import type { EmailMessage, NamedAddress } from '../kernel/message.ts';
import { assemble, type TemplateSource, writtenBodies } from './assemble.ts';
import { doubtfulBodies, isBlankBody } from './blank-body.ts';
import { contentHash, type Keyed, keyed } from './content-hash.ts';
import { followUpSubject, oneLine } from './headers.ts';
import { type Preparation, prepare } from './prepare.ts';
import { type Composition, type Refused, type Rendered, type Renderer, sharedRenderer } from './render.ts';
import type { TemplateVars } from './variables.ts';

export interface EmailJob {
  template: Keyed<TemplateSource>;
  vars: TemplateVars;
  from: NamedAddress;
  to: NamedAddress;
  reply_to?: NamedAddress;
  /** Without angle brackets. */
  message_id: string;
  /** From `emailHeaders`. */
  headers: Record<string, string>;
  /** What went before to this recipient: the subject that opened the thread, and its message ids, oldest first. */
  thread?: { subject: string; message_ids: string[] };
}

/**
 * RFC 5322 (3.6.4) wants the parent's References and the parent, without a limit; header lines have one. The first and
 * the newest ten keep a thread together.
 */
const MAX_REFERENCES = 11;

/** Composes a batch; results are in the order of the jobs. Never rejects for what a template does. */
export async function composeEmail(
  batch: readonly EmailJob[],
  renderer: Renderer = sharedRenderer,
): Promise<Composition<EmailMessage>[]> {
  const rendered = await renderer.render(
    batch.map(({ template, vars }) => ({ preparation: prepareEmail(template), vars })),
  );
  const blank = await blankOnes(batch, rendered, renderer);
  return batch.map((job, i) => (blank.has(i) ? NO_BODY : finish(job, rendered[i]!)));
}

const NO_BODY: Refused = { ok: false, reason: 'template_error', detail: 'the body is empty' };

/** Those whose bodies came to nothing, which layout and footer hide. Looked at where that can be alone. */
async function blankOnes(
  batch: readonly EmailJob[],
  rendered: readonly Rendered[],
  renderer: Renderer,
): Promise<Set<number>> {
  const doubtful: { index: number; preparation: Preparation; vars: TemplateVars }[] = [];
  for (const [index, { template, vars }] of batch.entries()) {
    const preparation = rendered[index]!.ok ? doubtfulBodies(template) : null;
    if (preparation !== null) doubtful.push({ index, preparation, vars });
  }
  if (doubtful.length === 0) return new Set();
  const bodies = await renderer.render(doubtful);
  const blank = doubtful.filter(({ index }, i) => {
    const body = bodies[i]!;
    if (!body.ok) return false;
    const written = writtenBodies(batch[index]!.template.source);
    return body.texts.every((source, part) => isBlankBody({ source, html: written[part]!.html }));
  });
  return new Set(blank.map(({ index }) => index));
}

/** Subject, text and HTML, with layout and footer. */
export function prepareEmail({ key, source }: Keyed<TemplateSource>): Preparation {
  return prepare(key, [source.subject, source.text, source.html], () => {
    const { subject, text, html } = assemble(source);
    return [
      { source: subject, html: false },
      { source: text, html: false },
      { source: html, html: true },
    ];
  });
}

/** What a person reads and changes: without layout, footer and headers. `html` only where the template has one. */
export async function draftEmails(
  batch: readonly (Pick<EmailJob, 'template' | 'vars'> & { thread_subject: string | null })[],
  renderer: Renderer = sharedRenderer,
): Promise<({ ok: true; subject: string; text: string; html: string | null } | Refused)[]> {
  const rendered = await renderer.render(
    batch.map(({ template, vars }) => ({
      preparation: prepareEmail(keyed('email', { ...template.source, layout: 'none' })),
      vars,
    })),
  );
  return batch.map(({ template: { source }, thread_subject }, i) => {
    const one = rendered[i]!;
    if (!one.ok) return one;
    const [subject, text, html] = one.texts as [string, string, string];
    const answers = source.subject.trim() === '' && thread_subject !== null;
    return {
      ok: true,
      subject: answers ? followUpSubject(thread_subject) : oneLine(subject),
      text: text.trim(),
      html: source.html?.trim() ? html : null,
    };
  });
}

function finish(job: EmailJob, rendered: Rendered): Composition<EmailMessage> {
  if (!rendered.ok) return rendered;
  const [subjectText, text, html] = rendered.texts as [string, string, string];
  const answered = answeredBy(job, subjectText);
  const subject = answered ? followUpSubject(answered.subject) : oneLine(subjectText);
  if (subject === '') return { ok: false, reason: 'template_error', detail: 'the subject is empty' };
  const message: EmailMessage = {
    kind: 'email',
    from: oneLineAddress(job.from),
    to: oneLineAddress(job.to),
    subject,
    text,
    html,
    message_id: job.message_id,
    headers: job.headers,
  };
  if (job.reply_to !== undefined) message.reply_to = oneLineAddress(job.reply_to);
  if (answered && answered.message_ids.length > 0) {
    const ids = answered.message_ids;
    message.in_reply_to = ids[ids.length - 1]!;
    message.references = ids.length > MAX_REFERENCES ? [ids[0]!, ...ids.slice(1 - MAX_REFERENCES)] : ids;
  }
  return { ok: true, message, hash: contentHash([subject, text, html]), used: rendered.used };
}

/**
 * The thread that it goes on. A message without a subject of its own does, and one with the very subject of an answer, as
 * a person leaves it who edits the text alone. Every other subject opens a thread: clients that go by ids would show it
 * below the old one, under a subject that it does not have.
 */
function answeredBy({ template, thread }: EmailJob, rendered: string): EmailJob['thread'] {
  if (thread === undefined || template.source.subject.trim() === '') return thread;
  return oneLine(rendered) === followUpSubject(thread.subject) ? thread : undefined;
}

/** Does it open a thread, for others to answer in? */
export function opensThread(message: Pick<EmailMessage, 'in_reply_to'>): boolean {
  return message.in_reply_to === undefined;
}

/** A contact's name comes from outside and goes into a header. */
function oneLineAddress({ name, address }: NamedAddress): NamedAddress {
  const clean = { address: oneLine(address) };
  return name === undefined ? clean : { name: oneLine(name), ...clean };
}

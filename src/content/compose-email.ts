/**
 * E-mails from templates and data: what the dispatcher calls. In: a batch of jobs, plain data. Out, in the same
 * order: a message with its hash and the values used, or a typed refusal that skips this message alone.
 *
 * Nearly all templates take the fast path, on this thread; the others go to the worker in one round trip a
 * batch. The caller sees no difference.
 */

import type * as engine from '../../src/content/engine.mjs';
import * as liquid from '../../src/content/liquid.mjs';
import { contentHash } from './content-hash.ts';
import { renderFast } from './fast.ts';
import { followUpSubject, oneLine } from './headers.ts';
import {
  type EmailTemplate,
  type PreparedTemplate,
  prepareTemplate,
  takeValues,
  usedValues,
} from './prepare.ts';
import { type RenderJob, RenderPool } from './render-pool.ts';
import type { RenderResult, WorkerLimits } from './render-worker.ts';
import type { Scalar } from './scalar.ts';
import type { TemplateVars } from './variables.ts';

export interface EmailAddress {
  name?: string;
  address: string;
}

/** Equal in shape to the channel port's message; this room may not import channels. */
export interface ComposedEmail {
  kind: 'email';
  from: EmailAddress;
  to: EmailAddress;
  reply_to?: EmailAddress;
  subject: string;
  text: string;
  html?: string;
  message_id: string;
  in_reply_to?: string;
  references?: string[];
  headers: Record<string, string>;
}

export interface EmailJob {
  template: EmailTemplate;
  vars: TemplateVars;
  from: EmailAddress;
  to: EmailAddress;
  reply_to?: EmailAddress;
  /** Without angle brackets. */
  message_id: string;
  /** From `emailHeaders`. */
  headers: Record<string, string>;
  /** What went before to this recipient: the first message's subject, and all message ids, oldest first. */
  thread?: { subject: string; message_ids: string[] };
}

export type EmailResult =
  | { ok: true; message: ComposedEmail; hash: string; used: Record<string, string> }
  | { ok: false; reason: engine.RenderReason; detail: string };

export interface Composer {
  composeEmail(batch: readonly EmailJob[]): Promise<EmailResult[]>;
  close(): Promise<void>;
}

/** RFC 5322 sets no limit, but header lines have one: the first and the newest ids keep a thread together. */
const MAX_REFERENCES = 20;

export function createComposer(limits?: WorkerLimits): Composer {
  // The thread starts with the first template that needs it; most processes never do.
  let pool: RenderPool | null = null;

  async function composeEmail(batch: readonly EmailJob[]): Promise<EmailResult[]> {
    const results = new Array<EmailResult>(batch.length);
    const slow: { index: number; job: RenderJob }[] = [];
    for (let index = 0; index < batch.length; index++) {
      const email = batch[index]!;
      const preparation = prepareTemplate(email.template);
      if (!preparation.ok) {
        results[index] = { ok: false, reason: 'template_error', detail: preparation.detail };
        continue;
      }
      const { template } = preparation;
      const values: unknown[] = [];
      const scalar = takeValues(template, email.vars, values);
      if (scalar && template.fast !== null) {
        results[index] = finish(email, template, values, renderHere(template.fast, values as Scalar[]));
      } else {
        slow.push({ index, job: { template, values } });
      }
    }
    if (slow.length > 0) {
      pool ??= new RenderPool(limits);
      const rendered = await pool.composeBatch(slow.map(({ job }) => job));
      for (const [place, { index, job }] of slow.entries()) {
        const template = job.template as PreparedTemplate;
        results[index] = finish(batch[index]!, template, job.values, rendered[place]!);
      }
    }
    return results;
  }

  return {
    composeEmail,
    async close() {
      await pool?.close();
      pool = null;
    },
  };
}

/** The process's own composer. Its worker keeps no process alive. */
const shared = createComposer();

/** Composes a batch; results are in the order of the jobs. Never rejects for what a template does. */
export function composeEmail(batch: readonly EmailJob[]): Promise<EmailResult[]> {
  return shared.composeEmail(batch);
}

function renderHere(fast: NonNullable<PreparedTemplate['fast']>, values: readonly Scalar[]): RenderResult {
  let budget = liquid.MAX_OUTPUT_CHARS;
  const subject = renderFast(fast.subject, values, budget);
  if (typeof subject !== 'string') return { ok: false, ...subject };
  budget -= subject.length;
  const text = renderFast(fast.text, values, budget);
  if (typeof text !== 'string') return { ok: false, ...text };
  budget -= text.length;
  const html = renderFast(fast.html, values, budget);
  if (typeof html !== 'string') return { ok: false, ...html };
  return { ok: true, subject, text, html };
}

function finish(
  job: EmailJob,
  template: PreparedTemplate,
  values: readonly unknown[],
  rendered: RenderResult,
): EmailResult {
  if (!rendered.ok) return rendered;
  const subject = subjectOf(job, template, rendered.subject);
  if (subject === '') return { ok: false, reason: 'template_error', detail: 'the subject is empty' };
  const { text, html } = rendered;
  const message: ComposedEmail = {
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
  if (job.thread !== undefined && job.thread.message_ids.length > 0) {
    const ids = job.thread.message_ids;
    message.in_reply_to = ids[ids.length - 1]!;
    message.references = ids.length > MAX_REFERENCES ? [ids[0]!, ...ids.slice(1 - MAX_REFERENCES)] : ids;
  }
  return {
    ok: true,
    message,
    hash: contentHash({ subject, text, html }),
    used: usedValues(template, values),
  };
}

/** A follow-up without a subject of its own takes its thread's. */
function subjectOf(job: EmailJob, template: PreparedTemplate, rendered: string): string {
  if (!template.has_subject && job.thread !== undefined) return followUpSubject(job.thread.subject);
  return oneLine(rendered);
}

/** A contact's name comes from outside and goes into a header. */
function oneLineAddress({ name, address }: EmailAddress): EmailAddress {
  const clean = { address: oneLine(address) };
  return name === undefined ? clean : { name: oneLine(name), ...clean };
}

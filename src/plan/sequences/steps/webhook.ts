/** Webhook: a request to somebody's own system, with the ids of what it is about and a payload of templates. */
import { composeWebhook, type Json, textsOf } from '../../../content/compose-webhook.ts';
import { keyed } from '../../../content/content-hash.ts';
import { looksLikeTemplate } from '../../../content/fixed-text.ts';
import type { WebhookMessage } from '../../../kernel/message.ts';
import type { Step } from '../definition.ts';
import { checkSource, perStep, type StepCheck, type StepInput, type StepKind, varsOf } from './step-kind.ts';

const MAX_PAYLOAD_CHARS = 50_000;

export const webhookStep: StepKind<WebhookMessage> = {
  check,
  compose: (batch) => composeWebhook(batch.map(jobOf)),
};

const payloadOf = (step: Step) => (step.payload ?? {}) as Json;
const templateOf = perStep((step) => keyed('payload', payloadOf(step)));

function jobOf(input: StepInput) {
  const { step, touch, sequence, contact_id, sender } = input;
  return {
    template: templateOf(step),
    vars: varsOf(input),
    from: sender!.from_address,
    url: step.url!,
    envelope: {
      type: 'sequence.step',
      touch_id: touch.id,
      contact_id,
      sequence: { id: sequence.id, name: sequence.name },
      step_id: step.id,
    },
  };
}

function check(step: Step, where: StepCheck): void {
  const { report } = where;
  checkUrl(step, where);
  const payload = payloadOf(step);
  if (JSON.stringify(payload).length > MAX_PAYLOAD_CHARS) {
    report('payload', 'too_large', `The payload is longer than ${MAX_PAYLOAD_CHARS} characters`);
    return;
  }
  for (const text of textsOf(payload)) checkSource('webhook', where, text);
  checkKeys(payload, 'payload', report);
}

function checkUrl({ url }: Step, { report, forbidden }: StepCheck): void {
  if (url === undefined) {
    report('url', 'required', 'A webhook step needs the url that is called');
    return;
  }
  const { username, password } = new URL(url);
  if (username !== '' || password !== '')
    report(
      'url',
      'userinfo',
      'A name or a password in the url is not sent; the receiver knows us by the signature',
    );
  // A URL that was read has them written as %7B.
  if (looksLikeTemplate(url) || /%7B%(25|7B)/i.test(url))
    report('url', 'no_template', 'Nothing is replaced in the url: put what differs into the payload');
  const why = forbidden(url);
  if (why !== null) report('url', 'destination_forbidden', `It cannot be called: ${why}`);
}

function checkKeys(payload: Json, at: string, report: StepCheck['report']): void {
  if (payload === null || typeof payload !== 'object') return;
  for (const [key, value] of Object.entries(payload)) {
    const field = Array.isArray(payload) ? `${at}[${key}]` : `${at}.${key}`;
    if (!Array.isArray(payload) && looksLikeTemplate(key))
      report(field, 'no_template', 'Nothing is replaced in the names of fields, only in their texts');
    checkKeys(value, field, report);
  }
}

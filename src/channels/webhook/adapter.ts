/**
 * The adapter `webhook`: a request to somebody's own system, signed as Standard Webhooks are. In: a configuration and
 * composed requests, each with its address. Out: one outcome of the port for each. Class N, or K where the sender says that
 * its receivers take one key once. Of an answer the status alone is kept: it could hold anything, and may not become a way
 * to read what only this installation reaches.
 */
import type { WebhookMessage } from '../../kernel/message.ts';
import type { Adapter, Connection, Network, SendOutcome, SendRequest } from '../channel.ts';
import { type ApiChannel, openApi } from '../http/api.ts';
import { flaw, type Reading } from '../http/outcome.ts';
import { CONTENT, permanent } from '../sms/refusals.ts';
import { type WebhookConfig, WebhookConfigSchema } from './config.ts';
import { signedHeaders } from './sign.ts';

/** Of a request's body; a payload of templates is far below. */
const MAX_BODY_BYTES = 1024 * 1024;

export const webhook: Adapter<WebhookMessage> = {
  channel: 'webhook',
  provider: 'webhook',
  // Which it is, its configuration says; this is the least that holds for all.
  provider_class: 'N',
  config: WebhookConfigSchema,
  secret_fields: ['signing_secret', 'previous_signing_secret'],
  connect: (config, network) => openWebhook(WebhookConfigSchema.parse(config), network),
  async verify(config) {
    WebhookConfigSchema.parse(config);
    const detail =
      'The signing secret is well formed and the sender is ready to send; each step names its own address.';
    return { ok: true, detail, checks: [{ name: 'sign', ok: true, detail }] };
  },
};

const REQUEST: ApiChannel<WebhookMessage> = { prepare, recipient: () => [] };

function openWebhook(config: WebhookConfig, network: Network | undefined): Connection<WebhookMessage> {
  const connection = openApi(
    config,
    network,
    {
      provider_class: config.deduplicates ? 'K' : 'N',
      ...(config.deduplicates ? { key_life_ms: config.key_life_s * 1_000 } : {}),
      post,
      reading: { accepted: () => ({}), refused },
      addressed: true,
    },
    REQUEST,
  );
  return { ...connection, send: async (request) => statusAlone(await connection.send(request)) };
}

function prepare(request: SendRequest<WebhookMessage>): SendRequest<WebhookMessage> | SendOutcome {
  const { url, body } = request.message;
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    return flaw('content_rejected', 'The step names no address that can be called.');
  if (new URL(url).username !== '' || new URL(url).password !== '')
    return flaw('content_rejected', 'The address of the step holds a name or a password.');
  if (Buffer.byteLength(body) > MAX_BODY_BYTES)
    return flaw('content_rejected', `The request is larger than ${MAX_BODY_BYTES} bytes.`);
  return request;
}

function post(config: WebhookConfig, { idempotency_key, message }: SendRequest<WebhookMessage>) {
  const { signing_secret, previous_signing_secret } = config;
  const secrets = [signing_secret, previous_signing_secret].filter((secret) => secret !== undefined);
  return {
    method: 'POST' as const,
    url: message.url,
    headers: {
      'content-type': 'application/json',
      'user-agent': 'Cadenza',
      'idempotency-key': idempotency_key,
      ...signedHeaders(idempotency_key, message.body, secrets, Date.now()),
    },
    body: message.body,
  };
}

/** A receiver has no codes of ours; whatever of 4xx is not named here says that it will not take this request. */
const refused: Reading['refused'] = ({ status }) => {
  switch (status) {
    // The signature is not believed: the sender's secret is at fault, and with it all its requests.
    case 401:
    // Something that passes, or that a status alone does not decide (408, 409).
    case 402:
    case 408:
    case 409:
    case 429:
      return null;
    case 403:
      return permanent('policy');
    case 425:
      return { permanence: 'transient', reason: 'unavailable' };
    case 404:
    case 405:
    case 410:
      return permanent('not_reachable');
    default:
      if (status >= 300 && status < 400) return permanent('not_reachable');
      return status >= 400 && status < 500 ? CONTENT : null;
  }
};

function statusAlone(outcome: SendOutcome): SendOutcome {
  if (!('response' in outcome) || outcome.response === undefined) return outcome;
  const status = /^\d{3}(?= |$)/.exec(outcome.response)?.[0];
  return status === undefined ? outcome : { ...outcome, response: status };
}

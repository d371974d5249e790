/**
 * The adapters `sandbox_http`, `sandbox_http_sms` and `sandbox_http_whatsapp`: e-mail, SMS and WhatsApp to a provider with
 * an HTTP API that plays any of the three classes. They go with the recording provider of this folder, which shows what a
 * provider really got, whatever happened to the answer. In: a configuration and composed messages. Out: one outcome of the
 * port for each.
 */
import type { SenderChannel } from '../../kernel/channels.ts';
import type {
  EmailMessage,
  Message,
  SmsMessage,
  WhatsappTemplateMessage,
  WhatsappTextMessage,
} from '../../kernel/message.ts';
import type { Adapter, Connection, LookupOutcome, Network, SendRequest, VerifyOptions } from '../channel.ts';
import { type Agent, type Called, call, newAgent } from '../http/call.ts';
import { field, outcomeOf } from './answer.ts';
import { messagesUrl, type SandboxHttpConfig, SandboxHttpSchema } from './config.ts';

export const sandboxHttp = adapterFor<EmailMessage>('email', 'sandbox_http');
export const sandboxHttpSms = adapterFor<SmsMessage>('sms', 'sandbox_http_sms');
export const sandboxHttpWhatsapp = adapterFor<WhatsappTemplateMessage | WhatsappTextMessage>(
  'whatsapp',
  'sandbox_http_whatsapp',
);

function adapterFor<M extends Message>(channel: SenderChannel, provider: string): Adapter<M> {
  return {
    channel,
    provider,
    // Which it is, its configuration says; this is the least that holds for all.
    provider_class: 'N',
    config: SandboxHttpSchema,
    secret_fields: [],
    connect: (config, network) => openSandboxHttp<M>(SandboxHttpSchema.parse(config), network),
    verify: (config, options) => verify(SandboxHttpSchema.parse(config), options),
  };
}

function openSandboxHttp<M extends Message>(config: SandboxHttpConfig, network?: Network): Connection<M> {
  const agent = newAgent(config.max_connections, network);
  let taken = 0;
  let closed = false;
  let drained: (() => void) | undefined;
  const capacity = () => (closed ? 0 : config.max_connections - taken);
  const connection: Connection<M> = {
    provider_class: config.class,
    key_life_ms: config.key_life_ms,
    capacity,
    async send(request) {
      if (capacity() < 1) return { kind: 'not_started', reason: 'no free connection' };
      taken++;
      try {
        return outcome(await post(agent, config, request));
      } finally {
        taken--;
        if (taken === 0) drained?.();
      }
    },
    async close() {
      closed = true;
      if (taken > 0) {
        await new Promise<void>((resolve) => {
          drained = resolve;
        });
      }
      agent.destroy();
    },
  };
  if (config.class === 'L') connection.lookup = (request) => lookup(agent, config, request);
  return connection;
}

function post(agent: Agent, config: SandboxHttpConfig, request: SendRequest): Promise<Called> {
  return call(agent, {
    method: 'POST',
    url: messagesUrl(config),
    headers: {
      'content-type': 'application/json',
      'idempotency-key': request.idempotency_key,
      'x-touch-id': request.touch_id,
    },
    body: JSON.stringify({ touch_id: request.touch_id, message: request.message }),
    timeout_ms: request.timeout_ms,
  });
}

function outcome(called: Called) {
  switch (called.kind) {
    case 'answered':
      return outcomeOf(called.answer, Date.now());
    case 'not_started':
      return { kind: 'not_started' as const, reason: called.reason };
    case 'forbidden':
      return {
        kind: 'refused' as const,
        permanence: 'permanent' as const,
        reason: 'sender_rejected' as const,
        response: called.reason,
      };
    case 'silent':
      return { kind: 'ambiguous' as const, reason: called.reason };
  }
}

type Asked = Parameters<NonNullable<Connection['lookup']>>[0];

/** By key: another key of the same touch was used only after proof that nothing was accepted under this one. */
async function lookup(agent: Agent, config: SandboxHttpConfig, asked: Asked): Promise<LookupOutcome> {
  const url = `${messagesUrl(config)}?${new URLSearchParams({ key: asked.idempotency_key })}`;
  const called = await call(agent, { method: 'GET', url, headers: {}, timeout_ms: asked.timeout_ms });
  if (called.kind !== 'answered') return { kind: 'unclear', reason: called.reason };
  const { status, body, complete } = called.answer;
  if (status !== 200 || !complete) return { kind: 'unclear', reason: `status_${status}` };
  const items = itemsOf(body);
  if (items === null) return { kind: 'unclear', reason: 'unreadable_answer' };
  const [item] = items;
  if (item === undefined) return { kind: 'not_found' };
  const text = JSON.stringify(item);
  const [id, at] = [field(text, 'id'), field(text, 'accepted_at')];
  return {
    kind: 'found',
    ...(id === undefined ? {} : { provider_id: id }),
    ...(at === undefined ? {} : { at: new Date(at) }),
  };
}

function itemsOf(body: string): unknown[] | null {
  try {
    const { items } = JSON.parse(body);
    return Array.isArray(items) ? items : null;
  } catch {
    return null;
  }
}

async function verify(config: SandboxHttpConfig, { timeout_ms, network }: VerifyOptions) {
  const agent = newAgent(1, network);
  const url = `${config.url}/v1/${config.class}/${config.account}`;
  const called = await call(agent, { method: 'GET', url, headers: {}, timeout_ms });
  agent.destroy();
  const ok = called.kind === 'answered' && called.answer.status === 200;
  const detail = ok
    ? `The account ${config.account} answers.`
    : called.kind === 'answered'
      ? `${url} answered ${called.answer.status}.`
      : `${url} does not answer: ${called.reason}.`;
  return { ok, detail, checks: [{ name: 'account', ok, detail }] };
}

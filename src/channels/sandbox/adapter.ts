/**
 * The e-mail adapter `sandbox`: real SMTP to the sink, through the same sender as any relay, and the sink can be
 * asked afterwards. Class L: a message is looked up by its idempotency key, which it carries as a header.
 */
import { z } from 'zod';
import type { EmailMessage } from '../../kernel/message.ts';
import type {
  Adapter,
  Connection,
  LookupOutcome,
  Network,
  VerifyOptions,
  VerifyOutcome,
} from '../channel.ts';
import { call, newAgent } from '../http/call.ts';
import { openSmtp } from '../smtp/adapter.ts';
import { SmtpConfigSchema } from '../smtp/config.ts';
import { verifySmtp } from '../smtp/verify.ts';
import type { SinkEntry } from './entry.ts';

/** Nobody can guess these: what is missing says where it stands. */
const missing = (what: string) => ({
  error: ({ input }: { input?: unknown }) =>
    input === undefined
      ? `is missing: ${what} of sandbox.json in the data directory of the running installation (docs/inbox.md)`
      : undefined,
});

const SandboxConfigSchema = z.strictObject({
  host: z.string().min(1).max(253).default('127.0.0.1'),
  port: z.int(missing('`smtp_port`')).min(1).max(65_535),
  lookup_url: z.url({ protocol: /^https?$/, ...missing('`http://127.0.0.1:` with `lookup_port`') }),
  lookup_token: z.string(missing('`token`')).min(1).max(500),
  max_connections: z.int().min(1).max(100).default(5),
  rate_per_second: z.number().positive().max(1_000).optional(),
});
/** Of an answer that holds one message. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;

export type SandboxConfig = z.infer<typeof SandboxConfigSchema>;

export const sandbox: Adapter<EmailMessage> = {
  channel: 'email',
  provider: 'sandbox',
  provider_class: 'L',
  config: SandboxConfigSchema,
  secret_fields: ['lookup_token'],
  connect: (config, network) => openSandbox(SandboxConfigSchema.parse(config), network),
  verify: (config, options) => verify(SandboxConfigSchema.parse(config), options),
};

function smtpPart({ lookup_url: _url, lookup_token: _token, ...config }: SandboxConfig) {
  // The sink greets 100 ms late by design of its library, so its connections are kept long.
  return SmtpConfigSchema.parse({ ...config, max_messages_per_connection: 10_000 });
}

export function openSandbox(config: SandboxConfig, network?: Network): Connection<EmailMessage> {
  const connection = openSmtp(smtpPart(config), network);
  return {
    provider_class: 'L',
    capacity: () => connection.capacity(),
    send: (request) => connection.send(request),
    lookup: (request) => lookup(config, request, network),
    close: () => connection.close(),
  };
}

/**
 * By key alone, not by Message-ID: a resend that a person asked for has the Message-ID of the first try and a
 * key of its own.
 */
async function lookup(
  config: SandboxConfig,
  request: { touch_id: string; idempotency_key: string; timeout_ms: number },
  network: Network | undefined,
): Promise<LookupOutcome> {
  const { touch_id, idempotency_key } = request;
  const answer = await ask(config, { touch_id, idempotency_key, limit: '1' }, request.timeout_ms, network);
  if (typeof answer === 'string') return { kind: 'unclear', reason: answer };
  const entry = answer[0];
  if (!entry) return { kind: 'not_found' };
  return { kind: 'found', provider_id: String(entry.seq), at: new Date(entry.at) };
}

/** The entries found, or in words why there is no answer. */
async function ask(
  config: SandboxConfig,
  query: Record<string, string>,
  timeout_ms: number,
  network: Network | undefined,
): Promise<SinkEntry[] | string> {
  const agent = newAgent(1, network);
  const called = await call(agent, {
    method: 'GET',
    url: new URL(`/messages?${new URLSearchParams(query)}`, config.lookup_url).href,
    headers: { authorization: `Bearer ${config.lookup_token}` },
    timeout_ms,
    max_answer_bytes: MAX_ANSWER_BYTES,
  });
  agent.destroy();
  if (called.kind !== 'answered') return `the sandbox did not answer: ${called.reason}`;
  const { status, body, complete } = called.answer;
  if (status !== 200) return `the sandbox answered ${status}`;
  const items = complete ? itemsOf(body) : null;
  return items ?? 'the sandbox gave an unreadable answer';
}

function itemsOf(body: string): SinkEntry[] | null {
  try {
    const { items } = JSON.parse(body) as { items?: unknown };
    return Array.isArray(items) ? (items as SinkEntry[]) : null;
  } catch {
    return null;
  }
}

async function verify(config: SandboxConfig, options: VerifyOptions): Promise<VerifyOutcome> {
  const smtp = await verifySmtp(smtpPart(config), options);
  const answer = await ask(config, { limit: '1' }, options.timeout_ms, options.network);
  const ok = typeof answer !== 'string';
  const check = {
    name: 'look_up',
    ok,
    detail: ok ? 'Messages can be looked up.' : `Look-up failed: ${answer}.`,
  };
  const failed = !smtp.ok || !ok;
  return {
    ok: !failed,
    detail: !smtp.ok || ok ? smtp.detail : check.detail,
    checks: [...smtp.checks, check],
  };
}

/**
 * How the program is asked and told, on a port of its own:
 * GET /accounts: for each provider the `config` of a sender and what its webhooks are trusted by ·
 * GET /messages?provider=&to=&touch_id=&touch_key= → {items} · PUT /plan (see plan.ts) ·
 * PUT /templates {name, status}: WhatsApp pauses, rejects, approves one (null: it is deleted), until the program ends ·
 * POST /webhooks {provider, id, event, url?} → the signed call; with `url` it is made, and its status told.
 */
import { createServer, type IncomingMessage } from 'node:http';
import { z } from 'zod';
import { listen, shut } from '../sandbox-http/serving.ts';
import type { Account } from './account.ts';
import { EVENTS, type Signal, TOLD, type Told } from './dialect.ts';
import { DIALECTS } from './dialects.ts';
import { MAIL_PROVIDERS, ownedBy, PROVIDERS, type ProviderName } from './message.ts';
import type { ApiSandbox } from './server.ts';

const MAX_BODY_BYTES = 1024 * 1024;
const WEBHOOK_TIMEOUT_MS = 10_000;

const Query = z.strictObject({
  provider: z.enum(PROVIDERS).optional(),
  to: z.string().optional(),
  touch_id: z.string().optional(),
  touch_key: z.string().optional(),
});
const Template = z.strictObject({ name: z.string(), status: z.string().nullable() });
const Webhook = z.strictObject({
  provider: z.enum(PROVIDERS),
  /** As the provider named the message when it accepted it. */
  id: z.string(),
  event: z.enum(TOLD),
  url: z.url({ protocol: /^https?$/ }).optional(),
});

export interface Control {
  readonly port: number;
  stop(): Promise<void>;
}

export async function startControl(sandbox: ApiSandbox, port = 0): Promise<Control> {
  const server = createServer((request, response) => {
    const write = (status: number, value: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(value));
    };
    act(sandbox, request).then(
      (value) => (value === undefined ? write(404, { error: 'no such control' }) : write(200, value)),
      (error: unknown) => write(400, { error: error instanceof Error ? error.message : String(error) }),
    );
  });
  return { port: await listen(server, port), stop: () => shut(server) };
}

async function act(sandbox: ApiSandbox, request: IncomingMessage): Promise<unknown> {
  const url = new URL(request.url ?? '/', 'http://control');
  switch (`${request.method} ${url.pathname}`) {
    case 'GET /accounts':
      return accountsOf(sandbox);
    case 'GET /messages':
      return { items: messagesOf(sandbox, Query.parse(Object.fromEntries(url.searchParams))) };
    case 'PUT /plan':
      sandbox.plan(JSON.parse(await read(request)));
      return {};
    case 'PUT /templates': {
      const { name, status } = Template.parse(JSON.parse(await read(request)));
      sandbox.accounts.whatsapp_cloud.template_states.set(name, status);
      return {};
    }
    case 'POST /webhooks':
      return webhook(sandbox, Webhook.parse(JSON.parse(await read(request))));
    default:
      return undefined;
  }
}

/** Where who opts out tells the provider itself, which refuses from then on. */
function keepsOptOuts(provider: ProviderName): boolean {
  return !MAIL_PROVIDERS.some((name) => name === provider);
}

function ownOf({ provider, numbers, domains, secrets }: Account): Record<string, unknown> {
  switch (ownedBy(provider)) {
    case 'domains':
      return { from_domains: domains };
    case 'numbers':
      return { from_numbers: numbers };
    case 'bot':
      return { from_bot: secrets.secret };
    case 'nothing':
      return {};
  }
}

/** What a person copies into a sender, and into a receiving connection. */
export function accountsOf(sandbox: ApiSandbox): Record<string, unknown> {
  return Object.fromEntries(
    PROVIDERS.map((provider) => {
      const account = sandbox.accounts[provider];
      return [
        provider,
        {
          config: sandbox.config(provider),
          ...ownOf(account),
          ...(provider === 'webhook' ? { url: sandbox.address(provider) } : {}),
          webhook_secret: DIALECTS[provider].webhookSecret(account),
          ...(provider === 'ses' ? { webhook_public_key: account.secrets.public_key } : {}),
        },
      ];
    }),
  );
}

function messagesOf(sandbox: ApiSandbox, wanted: z.infer<typeof Query>) {
  const { provider, ...fields } = wanted;
  return PROVIDERS.filter((name) => provider === undefined || name === provider)
    .flatMap((name) => sandbox.accounts[name].messages)
    .filter((message) =>
      Object.entries(fields).every(([name, value]) => message[name as keyof typeof fields] === value),
    );
}

async function webhook(sandbox: ApiSandbox, wanted: z.infer<typeof Webhook>): Promise<unknown> {
  const account = sandbox.accounts[wanted.provider];
  const id = wanted.id.replace(/^<|>$/g, '');
  const message = account.messages.find(
    (one) => one.id.replace(/^<|>$/g, '') === id || one.message_id === id,
  );
  if (!message) throw new Error(`${wanted.provider} has accepted no message ${wanted.id}`);
  const { signal: make } = DIALECTS[wanted.provider];
  const events: readonly Told[] = DIALECTS[wanted.provider].events ?? EVENTS;
  if (!events.includes(wanted.event)) throw new Error(`${wanted.provider} tells of no event ${wanted.event}`);
  if (keepsOptOuts(wanted.provider) && wanted.event === 'unsubscribed')
    await sandbox.optOut(wanted.provider, message.to);
  const signal = make(message, wanted.event, account, Date.now(), wanted.url);
  return wanted.url === undefined ? signal : { ...signal, status: await delivered(signal, wanted.url) };
}

async function delivered({ headers, body }: Signal, url: string): Promise<number> {
  const signal = AbortSignal.timeout(WEBHOOK_TIMEOUT_MS);
  const response = await fetch(url, { method: 'POST', headers, body, redirect: 'manual', signal });
  await response.body?.cancel();
  return response.status;
}

async function read(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) {
    text += chunk;
    if (text.length > MAX_BODY_BYTES) throw new Error('too much');
  }
  return text;
}

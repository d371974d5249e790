/**
 * The sandbox of provider APIs: one program that speaks each provider's dialect under a prefix (`/resend`, `/twilio`,
 * …), checks requests as the provider does, remembers what it accepted, and goes wrong as it is told. `program.ts` runs
 * it as a process, `control.ts` is how it is asked and told. In: calls of senders whose `base_url` points here. Out: a
 * ledger of what was truly accepted, whatever the caller was answered.
 */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { KEEP_ALIVE_MS, listen, readBody, shut } from '../sandbox-http/serving.ts';
import { Account } from './account.ts';
import type { Dialect, Reply } from './dialect.ts';
import { DIALECTS, KEY_LIFE_MS } from './dialects.ts';
import { type Ledger, openLedger } from './ledger.ts';
import { type Accepted, PROVIDERS, type ProviderName, type Submission } from './message.ts';
import { type Fault, Plan, type PlanInput } from './plan.ts';
import { openSecrets } from './secrets.ts';

const MAX_BODY_BYTES = 40 * 1024 * 1024;
const DOMAINS = ['example.com', 'example.org', 'example.test'];
const NUMBERS = ['+14155550100', '+14155550101', '+4930555100'];

export interface ApiSandbox {
  readonly port: number;
  readonly journal: string;
  readonly accounts: Readonly<Record<ProviderName, Account>>;
  /** The `config` of a sender for this provider's account. */
  config(provider: ProviderName): Record<string, unknown>;
  /** Where its API begins: of `webhook` the address that a step calls. */
  address(provider: ProviderName): string;
  /** Faults from now on; the default has none. */
  plan(plan: PlanInput): void;
  /** A number that texts STOP: this account's texts to it are refused from now on. */
  optOut(provider: ProviderName, number: string): Promise<void>;
  /** Calls not yet done with: nothing more can be accepted once there are none. */
  busy(): number;
  stop(): Promise<void>;
}

export interface ApiSandboxOptions {
  dir: string;
  port?: number;
  /** Verified in each account; mail from others is refused. */
  domains?: readonly string[];
  /** Of each account that sends text messages. */
  numbers?: readonly string[];
}

export async function startApiSandbox(options: ApiSandboxOptions): Promise<ApiSandbox> {
  const secrets = openSecrets(options.dir);
  const owned = { domains: options.domains ?? DOMAINS, numbers: options.numbers ?? NUMBERS };
  const accounts = Object.fromEntries(
    PROVIDERS.map((name) => [name, new Account(name, secrets[name], owned)]),
  ) as Record<ProviderName, Account>;
  const ledger = await openLedger(options.dir, accounts);
  let plan = new Plan({});
  let calls = 0;
  let busy = 0;
  const server = createServer((request, response) => {
    busy++;
    handle({ number: ++calls, plan, ledger, accounts, request, response })
      .catch((error: unknown) => {
        process.stderr.write(`${String(error)}\n`);
        response.socket?.destroy();
      })
      .finally(() => {
        busy--;
      });
  });
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  const port = await listen(server, options.port ?? 0);
  const base = `http://127.0.0.1:${port}`;
  return {
    port,
    journal: ledger.path,
    accounts,
    config: (provider) => DIALECTS[provider].config(accounts[provider], base),
    address: (provider) => `${base}/${provider}`,
    plan(next) {
      plan = new Plan(next);
      for (const account of Object.values(accounts)) account.lookup_delay_ms = plan.settings.lookup_delay_ms;
    },
    optOut(provider, number) {
      accounts[provider].opted_out.add(number);
      return ledger.optedOut(provider, number);
    },
    busy: () => busy,
    async stop() {
      await shut(server);
      await ledger.close();
    },
  };
}

interface Call {
  number: number;
  plan: Plan;
  ledger: Ledger;
  accounts: Readonly<Record<ProviderName, Account>>;
  request: IncomingMessage;
  response: ServerResponse;
}

async function handle(call: Call): Promise<void> {
  const { request, response, accounts, plan, ledger } = call;
  const url = new URL(request.url ?? '/', 'http://sandbox');
  const [, prefix, path] = /^\/([a-z_]+)(\/.*)?$/.exec(url.pathname) ?? [];
  const provider = PROVIDERS.find((name) => name === prefix);
  const body = await readBody(request, MAX_BODY_BYTES);
  if (body === null) return;
  if (provider === undefined)
    return write(response, { status: 404, body: { error: `No provider under /${prefix}` } });
  const dialect = DIALECTS[provider];
  const account = accounts[provider];
  if (plan.settings.lookup_fails && request.method === 'GET')
    return write(response, { status: 503, body: { message: 'unavailable' } });
  const understood = dialect.understand(
    {
      method: request.method ?? 'GET',
      path: path ?? '/',
      target: request.url ?? '/',
      query: url.searchParams,
      headers: plain(request),
      body,
      now: Date.now(),
    },
    account,
  );
  if (understood.kind === 'answer') {
    await ledger.answered(call.number, provider, understood.reply.status);
    return write(response, understood.reply);
  }
  const { submission } = understood;
  const fault = plan.take(provider, submission.to);
  const { to, touch_id, touch_key } = submission;
  await ledger.begun(call.number, provider, { to, touch_id, touch_key, fault: fault?.fault ?? null });
  await play({ ...call, provider, dialect, account, submission, body, fault });
}

interface Play extends Call {
  provider: ProviderName;
  dialect: Dialect;
  account: Account;
  submission: Submission;
  body: string;
  fault: Fault | null;
}

async function play(now: Play): Promise<void> {
  const { fault, response, dialect, submission } = now;
  switch (fault?.fault) {
    case 'address':
    case 'content':
    case 'sender':
    case 'unauthorized':
    case 'throttle':
    case 'unavailable': {
      // A key that is remembered gives its first answer again.
      const known = now.account.remembered(submission, Date.now(), keyLife(now));
      if (known && fault.fault !== 'throttle') return tell(now, accept(now).reply);
      return tell(now, dialect.refused(fault.fault, submission, fault.retry_after_s));
    }
    case 'cut_before':
      await noted(now, 'cut');
      response.socket?.resetAndDestroy();
      return;
    case 'silence_before':
      return noted(now, 'silence');
    case 'gateway_before':
      return tell(now, { status: 502, body: 'Bad Gateway' });
    case 'late':
      await pause(fault.ms);
      await acceptNoted(now);
      return noted(now, 'silence');
    default:
      return playAccepted(now);
  }
}

async function playAccepted(now: Play): Promise<void> {
  const { fault, response } = now;
  const reply = await acceptNoted(now);
  switch (fault?.fault) {
    case 'cut_after':
      await noted(now, 'cut');
      response.socket?.resetAndDestroy();
      return;
    case 'silence_after':
      return noted(now, 'silence');
    case 'gateway_after':
      return tell(now, { status: 502, body: 'Bad Gateway' });
    case 'garbage':
      return tell(now, { status: reply.status, body: '{"id": "1' });
    case 'delay':
      await pause(fault.ms);
      return tell(now, reply);
    default:
      return tell(now, reply);
  }
}

function keyLife({ plan, provider }: Play): number {
  return plan.settings.key_life_ms ?? KEY_LIFE_MS[provider];
}

function accept(now: Play): { reply: Reply; fresh: Accepted | null } {
  const { account, submission, body, dialect, provider } = now;
  const id = dialect.newId?.() ?? newId(provider);
  const acceptance = account.accept(submission, body, id, Date.now(), keyLife(now));
  const { kind, message } = acceptance;
  if (kind === 'accepted') return { reply: dialect.accepted(message), fresh: message };
  return { reply: dialect.repeated(message, kind === 'repeated'), fresh: null };
}

/** On the record before anybody is told. */
async function acceptNoted(now: Play): Promise<Reply> {
  const { reply, fresh } = accept(now);
  if (fresh) await now.ledger.accepted(now.number, fresh);
  return reply;
}

function newId(provider: ProviderName): string {
  const id = randomUUID();
  if (provider === 'mailgun' || provider === 'brevo') return `<${id}@sandbox.invalid>`;
  return provider === 'sendgrid' ? id.replaceAll('-', '').slice(0, 22) : id;
}

async function tell(now: Play, reply: Reply): Promise<void> {
  await noted(now, reply.status);
  write(now.response, reply);
}

function noted({ ledger, number, provider }: Play, what: number | string): Promise<void> {
  return ledger.answered(number, provider, what);
}

function write(response: ServerResponse, { status, headers, body }: Reply): void {
  const text = typeof body === 'string';
  const type = text ? 'text/plain' : 'application/json';
  response.writeHead(status, { ...(body === '' ? {} : { 'content-type': type }), ...headers });
  response.end(text ? body : JSON.stringify(body));
}

function plain(request: IncomingMessage): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(',') : value,
    ]),
  );
}

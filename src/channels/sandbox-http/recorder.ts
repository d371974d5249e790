/**
 * The recording provider: an HTTP provider of messages, of all three classes, that writes down every call before it answers,
 * and goes wrong as it is told. `provider.ts` runs it as a process: `node …/provider.js --port 0 --dir D`.
 * In: calls of `sandbox_http` senders; faults, over the control port. Out: `D/journal.jsonl`, the oracle of tests.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { Account, type AccountClass, CLASSES, type Submission, submissionOf } from './account.ts';
import { draw, type FaultPlan, FaultPlanSchema, type SendFault, sendFault } from './faults.ts';
import { Journal, moment } from './journal.ts';
import { KEEP_ALIVE_MS, listen, readBody, shut } from './serving.ts';

const MAX_BODY_BYTES = 4 * 1024 * 1024;
/** The answers of `throttled` and `unavailable` ask for this wait. */
const RETRY_AFTER_S = 1;
const REFUSALS = ['mailbox_unknown', 'address_rejected', 'content_rejected', 'policy'] as const;

export interface Provider {
  readonly port: number;
  readonly journal: string;
  /** Faults from now on; the default has none. */
  plan(plan: unknown): void;
  /** Nobody listens for so long; connections that stand are cut. */
  refuse(ms: number): Promise<void>;
  stop(): Promise<void>;
}

export async function startProvider(options: { dir: string; port?: number }): Promise<Provider> {
  const journal = await Journal.open(options.dir);
  const accounts = new Map<string, Account>();
  let plan = FaultPlanSchema.parse({});
  let calls = 0;
  let refusing: NodeJS.Timeout | null = null;
  const server = createServer((request, response) => {
    const call: Call = { number: ++calls, at: moment(), plan, journal, accounts, request, response };
    handle(call).catch((error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      response.socket?.destroy();
    });
  });
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  const port = await listen(server, options.port ?? 0);
  return {
    port,
    journal: journal.path,
    plan(next) {
      plan = FaultPlanSchema.parse(next);
    },
    async refuse(ms) {
      if (refusing !== null) return;
      await shut(server);
      refusing = setTimeout(() => {
        refusing = null;
        void listen(server, port);
      }, ms);
    },
    async stop() {
      if (refusing !== null) clearTimeout(refusing);
      await shut(server);
      await journal.close();
    },
  };
}

interface Call {
  number: number;
  at: ReturnType<typeof moment>;
  plan: FaultPlan;
  journal: Journal;
  accounts: Map<string, Account>;
  request: IncomingMessage;
  response: ServerResponse;
}

const PATH = /^\/v1\/([KLN])\/([A-Za-z0-9_.-]{1,100})(\/messages)?$/;

async function handle(call: Call): Promise<void> {
  const { request, response } = call;
  const url = new URL(request.url ?? '/', 'http://provider');
  const [, kind, name, messages] = PATH.exec(url.pathname) ?? [];
  if (!kind || !name) return answer(response, 404, { code: 'no_such_account' });
  const account = accountOf(call, kind as AccountClass, name);
  if (!messages) return answer(response, 200, { account: name, class: kind });
  if (request.method === 'GET') return lookUp(call, account, name, url.searchParams);
  if (request.method !== 'POST') return answer(response, 405, { code: 'method' });
  return take(call, account, { class: kind, account: name });
}

function accountOf({ accounts }: Call, kind: AccountClass, name: string): Account {
  const key = `${kind}/${name}`;
  let account = accounts.get(key);
  if (!account) {
    account = new Account(CLASSES.find((known) => known === kind)!, name);
    accounts.set(key, account);
  }
  return account;
}

async function take(call: Call, account: Account, place: { class: string; account: string }): Promise<void> {
  const { request, journal, plan } = call;
  const key = header(request, 'idempotency-key');
  const touch = header(request, 'x-touch-id');
  const body = await readBody(request, MAX_BODY_BYTES);
  if (body === null) {
    await journal.record({ ...call.at, event: 'broken', call: call.number, ...place, key, touch_id: touch });
    return;
  }
  const submission = submissionOf(body, { key, touch_id: touch });
  const nth = account.count(submission);
  const fault = sendFault(plan, place.account, key ?? touch ?? '', nth);
  await journal.record({
    ...call.at,
    event: 'begun',
    call: call.number,
    ...place,
    ...submission,
    nth,
    fault,
  });
  await play({ ...call, account, place, submission, fault });
}

interface Play extends Call {
  account: Account;
  place: { class: string; account: string };
  submission: Submission;
  fault: SendFault | null;
}

async function play(now: Play): Promise<void> {
  const { fault, response } = now;
  switch (fault) {
    case 'throttled':
      return tell(now, 429, { code: 'rate_limited' }, { 'retry-after': String(RETRY_AFTER_S) });
    case 'unavailable':
      return tell(now, 503, { code: 'unavailable' }, { 'retry-after': String(RETRY_AFTER_S) });
    case 'refused': {
      // A key that is remembered gives its first answer again.
      if (now.account.remembered(now.submission, Date.now())) return playAccepted(now);
      const { key, touch_id } = now.submission;
      const which = Math.floor(draw(now.plan.seed, 'refusal', key ?? touch_id ?? '') * REFUSALS.length);
      return tell(now, 422, { code: REFUSALS[which] });
    }
    case 'error_before':
      return tell(now, 500, { code: 'internal' });
    case 'reset_before':
      await written(now, 'cut');
      response.socket?.resetAndDestroy();
      return;
    case 'hang_before':
      return written(now, 'silence');
    case 'late':
      // What a key means is decided when the call comes, though its message is taken later.
      if (now.account.remembered(now.submission, Date.now())) return playAccepted(now);
      await pause(now.plan.late_ms);
      await accept(now);
      return written(now, 'silence');
    default:
      return playAccepted(now);
  }
}

async function playAccepted(now: Play): Promise<void> {
  const { fault, response } = now;
  const acceptance = await accept(now);
  if (acceptance.kind === 'conflict') return tell(now, 409, { code: 'key_reused' });
  const { id } = acceptance.message;
  switch (fault) {
    case 'lost_reply':
      await written(now, 'cut');
      response.socket?.resetAndDestroy();
      return;
    case 'bad_gateway':
      return tell(now, 502, { code: 'bad_gateway' });
    case 'hang_after':
      return written(now, 'silence');
    case 'garbled':
      await written(now, 'garbled');
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(`{"id": "${id.slice(0, 2)}`);
      return;
    case 'slow':
      await pause(now.plan.slow_ms);
      return tell(now, 200, { id });
    default:
      return tell(now, 200, { id });
  }
}

async function accept({ account, plan, submission, journal, number, place }: Play) {
  const acceptance = account.accept(plan, submission, Date.now());
  if (acceptance.kind !== 'conflict') {
    const { id } = acceptance.message;
    await journal.record({ event: acceptance.kind, call: number, ...place, ...submission, id });
  }
  return acceptance;
}

async function tell(
  now: Play,
  status: number,
  body: object,
  headers: Record<string, string> = {},
): Promise<void> {
  await written(now, status, 'code' in body ? { code: body.code } : {});
  answer(now.response, status, body, headers);
}

function written(
  { journal, number, place, submission }: Play,
  what: number | string,
  more: { code?: unknown } = {},
): Promise<void> {
  const { key, touch_id } = submission;
  return journal.record({ event: 'answered', call: number, ...place, key, touch_id, answer: what, ...more });
}

async function lookUp(call: Call, account: Account, name: string, query: URLSearchParams): Promise<void> {
  const wanted = {
    key: query.get('key'),
    touch_id: query.get('touch_id'),
    message_id: query.get('message_id'),
  };
  const nth = account.count({ ...NOTHING, key: `?${query}` });
  const fails = draw(call.plan.seed, 'lookup', name, String(query), nth) < call.plan.lookup_error;
  const found = fails ? null : account.find(wanted, Date.now());
  await call.journal.record({
    ...call.at,
    event: 'looked_up',
    call: call.number,
    account: name,
    ...wanted,
    found: found?.length ?? null,
  });
  if (fails) return answer(call.response, 503, { code: 'unavailable' });
  if (found === null) return answer(call.response, 404, { code: 'no_look_up' });
  return answer(call.response, 200, { items: found.map(({ visible_at: _, ...message }) => message) });
}

const NOTHING: Submission = {
  touch_id: null,
  kind: null,
  key: null,
  message_id: null,
  recipient: null,
  sender: null,
  unsubscribe: null,
  body_hash: '',
};

function answer(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

function header(request: IncomingMessage, name: string): string | null {
  const value = request.headers[name];
  return typeof value === 'string' ? value : null;
}

/**
 * A provider's call: verified by its adapter, stored as it came, acknowledged; then read (interpret.ts). Nothing that is
 * made of it can make the storing fail [INB-1]. What is not from the provider is not stored.
 */
import type {
  Webhook,
  WebhookEvent,
  WebhookOutcome,
  WebhookRequest,
  WebhookTrust,
} from '../channels/channel.ts';
import type { Tx } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import { newId } from '../kernel/ids.ts';
import { type Fetch, fetchFromProvider } from './fetch-from-provider.ts';
import { type HookDeps, type OpenHook, openHook } from './hooks.ts';

/** The queued task, carried out by interpret.ts. */
export const READ_INBOUND = 'read_inbound';
/** Whoever received a call reads it at once; the job follows for the case that it could not. */
const FOLLOW_MS = 2_000;

export interface ReceiveDeps extends HookDeps {
  log: { warn(fields: object, text: string): void };
  fetch?: Fetch;
  now?: () => number;
}

export type Received =
  | { kind: 'unknown' }
  | { kind: 'refused'; reason: Extract<WebhookOutcome, { kind: 'refused' }>['reason']; detail: string }
  | { kind: 'confirmed' }
  | { kind: 'stored'; hook: OpenHook; fresh: number };

export async function receiveCall(
  deps: ReceiveDeps,
  token: string,
  request: WebhookRequest,
): Promise<Received> {
  const hook = await openHook(deps, token);
  const webhook = hook && deps.adapters.get(hook.provider)?.webhook;
  if (!hook || !webhook) return { kind: 'unknown' };
  const outcome = await verified(deps, webhook, hook, request);
  switch (outcome.kind) {
    case 'refused':
      deps.log.warn(
        { security: true, org_id: hook.org, hook_id: hook.id, reason: outcome.reason },
        'a call was refused',
      );
      return { kind: 'refused', reason: outcome.reason, detail: outcome.detail };
    case 'certificate':
      return { kind: 'refused', reason: 'bad_signature', detail: 'Its certificate could not be had.' };
    case 'confirm':
      await (deps.fetch ?? fetchFromProvider)(outcome.url);
      return { kind: 'confirmed' };
    case 'events': {
      const fresh = await deps.db.inOrg(hook.org, (tx) => store(tx, hook, request, outcome.events));
      return { kind: 'stored', hook, fresh };
    }
  }
}

async function verified(
  { fetch = fetchFromProvider, now = Date.now }: ReceiveDeps,
  webhook: Webhook,
  { secrets }: OpenHook,
  request: WebhookRequest,
): Promise<WebhookOutcome> {
  const trust: WebhookTrust = { secrets, now: now() };
  const outcome = webhook.receive(request, trust);
  if (outcome.kind !== 'certificate') return outcome;
  const certificate = await fetch(outcome.url);
  const certificates = new Map([[outcome.url, certificate]]);
  return webhook.receive(request, { ...trust, certificates });
}

/** Never kept: they are secrets, of the provider's or of ours. */
const SECRET_HEADERS = new Set([
  'authorization',
  'proxy-authorization',
  'cookie',
  'x-telegram-bot-api-secret-token',
]);
const MAX_EVENT_ID = 200;

/** How many were not told before. */
async function store(
  tx: Tx,
  hook: OpenHook,
  { headers, url = '', body }: WebhookRequest,
  events: readonly WebhookEvent[],
): Promise<number> {
  const call = newId();
  const kept = Object.fromEntries(Object.entries(headers).filter(([name]) => !SECRET_HEADERS.has(name)));
  const query = url.includes('?') ? url.slice(url.indexOf('?') + 1) : '';
  await tx.run(sql`
    INSERT INTO inbound_calls (org_id, id, hook_id, query, headers, body)
    VALUES (${hook.org}, ${call}, ${hook.id}, ${storable(query)}, ${storableJson(kept)}, ${body})`);
  if (events.length === 0) return 0;
  const list = events.map((event) => ({ id: keyOf(event), fact: event }));
  const fresh = await tx.run(sql`
    INSERT INTO inbound_events (org_id, sender_id, event_id, call_id, hook_id, fact, received_at)
    SELECT ${hook.org}::uuid, ${hook.sender_id}::uuid, r.id, ${call}::uuid, ${hook.id}::uuid, r.fact, clock_timestamp()
      FROM json_to_recordset(${storableJson(list)}::json) AS r(id text, fact jsonb) ORDER BY r.id
    ON CONFLICT (org_id, sender_id, event_id) DO NOTHING`);
  if (fresh > 0) await queueReading(tx, hook.org, FOLLOW_MS);
  return fresh;
}

/** One job an organization; what comes before it begins does not put it off. */
export async function queueReading(tx: Tx, org: string, wait_ms: number): Promise<void> {
  await tx.run(sql`
    SELECT graphile_worker.add_job(${READ_INBOUND}, ${JSON.stringify({ org })}::json, job_key => ${`${READ_INBOUND}:${org}`},
      run_at => clock_timestamp() + ${wait_ms}::int * interval '1 millisecond', job_key_mode => 'preserve_run_at')`);
}

/** An id may mean one message at some providers; with its type it is one event. */
function keyOf({ type, event_id }: WebhookEvent): string {
  return `${type}.${event_id}`.slice(0, MAX_EVENT_ID);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the character looked for
const UNSTORABLE = /\u0000|\p{Surrogate}/gu;

/** PostgreSQL takes no NUL and no half of a pair, and the call must be kept all the same. */
function storable(text: string): string {
  return text.replace(UNSTORABLE, '\uFFFD');
}

function storableJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner) => (typeof inner === 'string' ? storable(inner) : inner));
}

/** Sends generated requests and judges the answers: no 5xx, no undocumented status, problems are problem documents. */
import { seeded } from './random.ts';
import { collectionOf, type FuzzRequest, type Keys, operationsOf, requestFor } from './requests.ts';
import type { Schema, Sources } from './values.ts';

export interface FuzzOptions {
  url: string;
  document: Schema;
  requests: number;
  seed: number;
  keys: Keys;
  /** Ids of another organization, to ask for in vain. */
  foreignIds: string[];
  /** The owner's key may be revoked by a request; this makes another. */
  newOwnerKey(): Promise<string>;
}

export interface Violation {
  what: string;
  method: string;
  url: string;
  body: string | null;
  status: number;
  answer: string;
}

export interface FuzzReport {
  requests: number;
  seed: number;
  operations: number;
  /** How often each status came. */
  statuses: Record<string, number>;
  /** Operations that never succeeded: fuzzed at the gate only. */
  never_succeeded: string[];
  violations: Violation[];
}

const IDS_KEPT = 400;
const CONCURRENT = 6;
const TIMEOUT_MS = 60_000;
const UUID = /"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"/g;

function judge({ operation }: FuzzRequest, status: number, type: string, answer: string): string | null {
  if (status >= 500) return 'a server error';
  if (!operation.statuses.has(status)) return 'an undocumented status';
  if (status < 400) return null;
  if (!type.startsWith('application/problem+json')) return 'an error that is no problem document';
  const problem = JSON.parse(answer);
  const whole = ['type', 'title', 'code', 'detail', 'advice', 'instance', 'request_id'].every(
    (key) => typeof problem[key] === 'string',
  );
  return whole && problem.status === status ? null : 'an incomplete problem document';
}

function remember(ids: string[], id: string): void {
  ids.push(id);
  if (ids.length > IDS_KEPT) ids.shift();
}

/** Keeps the ids of an answer; those of its things themselves by their collection. */
function harvest(sources: Sources, path: string, answer: string): void {
  for (const [, id] of answer.matchAll(UUID)) remember(sources.ids, id!);
  if (!answer.startsWith('{')) return;
  const { id, items } = JSON.parse(answer);
  const collection = collectionOf(path);
  const own = sources.idsOf.get(collection) ?? [];
  for (const one of [id, ...(Array.isArray(items) ? items.map((item) => item.id) : [])])
    if (typeof one === 'string') remember(own, one);
  sources.idsOf.set(collection, own);
}

async function send(url: string, request: FuzzRequest) {
  const response = await fetch(url + request.url, {
    method: request.operation.method,
    headers: request.headers,
    signal: AbortSignal.timeout(TIMEOUT_MS),
    ...(request.body === undefined ? {} : { body: request.body }),
  });
  return {
    status: response.status,
    type: response.headers.get('content-type') ?? '',
    answer: await response.text(),
  };
}

export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const random = seeded(options.seed);
  const operations = operationsOf(options.document);
  const sources: Sources = {
    random,
    ids: [...options.foreignIds],
    idsOf: new Map(),
    components: options.document.components?.schemas ?? {},
  };
  const keys = { ...options.keys };
  const statuses: Record<string, number> = {};
  const succeeded = new Set<string>();
  const violations: Violation[] = [];

  async function one(): Promise<void> {
    const request = requestFor(random.pick(operations), sources, keys);
    const { method, path } = request.operation;
    const { status, type, answer } = await send(options.url, request);
    statuses[status] = (statuses[status] ?? 0) + 1;
    if (status < 400) {
      succeeded.add(`${method} ${path}`);
      harvest(sources, path, answer);
    }
    if (status === 401 && request.headers.authorization === `Bearer ${keys.owner}`)
      keys.owner = await options.newOwnerKey();
    const what = judge(request, status, type, answer);
    if (what === null) return;
    const body = typeof request.body === 'string' ? request.body.slice(0, 2_000) : null;
    violations.push({ what, method, url: request.url, body, status, answer: answer.slice(0, 500) });
  }

  let left = options.requests;
  const lane = async () => {
    while (left-- > 0) await one();
  };
  await Promise.all(Array.from({ length: CONCURRENT }, lane));
  return {
    requests: options.requests,
    seed: options.seed,
    operations: operations.length,
    statuses,
    never_succeeded: operations
      .map(({ method, path }) => `${method} ${path}`)
      .filter((name) => !succeeded.has(name)),
    violations,
  };
}

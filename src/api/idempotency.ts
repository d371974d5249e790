/**
 * Idempotency-Key (24 hours): the same request under the same key runs once and gets the same answer again. Owns the
 * table `idempotency_keys`. A request shows life while it runs; one whose process died is taken over after 60 s.
 * Only answers below 500 are kept: after a failure of ours the same key may try again.
 */
import { createHash, randomUUID } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { sql } from '../db/sql.ts';
import { invariant } from '../kernel/invariant.ts';
import { Problem } from '../kernel/problem.ts';
import type { Caller } from '../tenancy/roles.ts';
import type { Place } from '../tenancy/secrets.ts';
import type { ApiDeps } from './deps.ts';

const KEPT = '24 hours';
const LEASE = '60 seconds';
const SIGN_OF_LIFE_MS = 15_000;
const KEPT_HEADERS = ['content-type', 'location'];

export interface Claim {
  key: string;
  id: string;
  timer: NodeJS.Timeout;
}

interface Begun {
  outcome: 'run' | 'replay' | 'running' | 'other';
  status: number | null;
  headers: Record<string, string> | null;
  body: Buffer | null;
}

/** The same value written twice gives the same text, whatever the order of its fields. */
function canonical(value: unknown): string {
  return (
    JSON.stringify(value, (_key, inner: unknown) =>
      typeof inner === 'object' && inner !== null && !Array.isArray(inner) && !(inner instanceof Date)
        ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
        : inner,
    ) ?? ''
  );
}

/** An upload's bytes are not read twice; its length and type stand for them. */
function requestHash(request: FastifyRequest): Buffer {
  const body = request.isMultipart() ? [request.headers['content-length']] : request.body;
  const parts = [request.method, request.url, body];
  return createHash('sha256').update(canonical(parts)).digest();
}

function placeOf(caller: Caller, key: string): Place {
  return { org: caller.org, table: 'idempotency_keys', id: key, field: 'body' };
}

/** The header, described and checked like a body. */
export const idempotencyHeaders = z.looseObject({
  'idempotency-key': z
    .string()
    .regex(/^[\x21-\x7e]{1,255}$/, 'must be 1 to 255 printable ASCII characters without spaces')
    .optional()
    .describe('The same request under the same key within 24 hours runs once and gets the same answer again'),
});

function opened(deps: ApiDeps, body: Buffer, place: Place): string {
  try {
    return deps.secrets.open(body, place);
  } catch (cause) {
    // The master secret was rotated away within the day; the request is not done again behind the caller's back.
    throw new Problem('idempotency_key_reused', 'It was answered, but that answer can no longer be read', {
      cause,
    });
  }
}

function replay(deps: ApiDeps, caller: Caller, key: string, begun: Begun, reply: FastifyReply): FastifyReply {
  invariant(begun.status !== null && begun.body !== null, 'a kept answer has a status and a body');
  const answer = opened(deps, begun.body, placeOf(caller, key));
  return reply
    .code(begun.status)
    .headers({ ...begun.headers, 'idempotent-replayed': 'true' })
    .serializer((text: unknown) => String(text))
    .send(answer);
}

/** Before the handler of a write: claims the key, or answers from it. */
export async function beginIdempotent(
  deps: ApiDeps,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply | undefined> {
  const { caller } = request;
  const key = request.headers['idempotency-key'];
  if (typeof key !== 'string' || caller === null) return undefined;
  const id = randomUUID();
  const [begun] = await deps.db.call<Begun>(sql`
    SELECT * FROM idempotency_begin(${caller.org}, ${key}, ${requestHash(request)}, ${id}, ${KEPT}, ${LEASE})`);
  invariant(begun, 'idempotency_begin gives one row');
  if (begun.outcome === 'other')
    throw new Problem('idempotency_key_reused', 'Under this key another request was made');
  if (begun.outcome === 'running')
    throw new Problem('idempotency_in_progress', 'Its first request has not ended');
  if (begun.outcome === 'replay') return replay(deps, caller, key, begun, reply);
  const timer = setInterval(() => showLife(deps, caller, key, id), SIGN_OF_LIFE_MS);
  timer.unref();
  request.claim = { key, id, timer };
  return undefined;
}

function showLife(deps: ApiDeps, caller: Caller, key: string, claim: string): void {
  deps.db
    .inOrg(caller.org, (tx) =>
      tx.run(sql`
        UPDATE idempotency_keys SET alive_at = clock_timestamp()
        WHERE org_id = ${caller.org} AND key = ${key} AND claim = ${claim}`),
    )
    .catch((error: Error) => deps.logger.warn({ err: error }, 'an idempotency key could not be kept alive'));
}

/** Before the answer leaves: whoever has it can have it again. */
export async function keepAnswer(
  deps: ApiDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
): Promise<void> {
  const { caller, claim } = request;
  if (caller === null || claim === null) return;
  request.claim = null;
  clearInterval(claim.timer);
  const mine = sql`org_id = ${caller.org} AND key = ${claim.key} AND claim = ${claim.id}`;
  const text = payload === undefined || payload === null ? '' : payload;
  const keep = reply.statusCode < 500 && typeof text === 'string';
  try {
    await deps.db.inOrg(caller.org, (tx) => {
      if (!keep) return tx.run(sql`DELETE FROM idempotency_keys WHERE ${mine}`);
      const headers = Object.fromEntries(
        KEPT_HEADERS.map((name) => [name, reply.getHeader(name)]).filter(([, value]) => value !== undefined),
      );
      return tx.run(sql`
        UPDATE idempotency_keys SET status = ${reply.statusCode}, headers = ${JSON.stringify(headers)},
          body = ${deps.secrets.seal(text, placeOf(caller, claim.key))}
        WHERE ${mine}`);
    });
  } catch (error) {
    // What was done stays done and is answered; a repetition is refused until the lease ends, then runs again.
    request.log.error({ err: error }, 'an answer could not be kept under its Idempotency-Key');
  }
}

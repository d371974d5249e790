/** From the Authorization header to a caller with the scope a route asks for, within its rate. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Counter } from 'prom-client';
import { registry } from '../kernel/metrics.ts';
import { Problem } from '../kernel/problem.ts';
import { authenticate } from '../tenancy/authenticate.ts';
import { type Caller, requireScope, type Scope } from '../tenancy/roles.ts';
import type { SecurityLog } from '../tenancy/security-events.ts';
import type { ApiDeps } from './deps.ts';

const failures = new Counter({
  name: 'cadenza_authentication_failures_total',
  help: 'Requests with a credential that opened nothing, by reason',
  labelNames: ['reason'] as const,
  registers: [registry],
});

const BEARER = /^Bearer +([^\s]+) *$/i;
const MINUTE_MS = 60_000;
/** Keys whose counts are remembered; beyond that the ones used longest ago start again. */
const REMEMBERED_KEYS = 10_000;

type Check = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;

async function identify(deps: ApiDeps, log: SecurityLog, request: FastifyRequest): Promise<Caller> {
  const header = request.headers.authorization;
  if (header === undefined) throw new Problem('unauthenticated', 'The Authorization header is missing');
  const key = BEARER.exec(header)?.[1];
  if (key === undefined)
    throw new Problem('unauthenticated', 'The Authorization header is not a Bearer credential');
  const result = await authenticate(deps.db, key, { request_id: request.id, ip: request.ip });
  if (result.ok) return result.caller;
  failures.inc({ reason: result.reason });
  if (result.reason === 'revoked' || result.reason === 'expired')
    await log.record(result.caller, `${result.reason}_credential`, {
      method: request.method,
      path: request.url,
    });
  // The same words for all: whoever holds a stolen key learns nothing about it.
  throw new Problem('unauthenticated', 'The credential is not valid');
}

/** Makes the check for routes of a scope. Needs @fastify/rate-limit. */
export function authentication(
  app: FastifyInstance,
  deps: ApiDeps,
  log: SecurityLog,
): (scope: Scope) => Check {
  const rate = app.createRateLimit({
    max: deps.config.rate_limit_per_minute,
    timeWindow: MINUTE_MS,
    cache: REMEMBERED_KEYS,
    keyGenerator: (request) => request.caller?.actor.id ?? request.ip,
  } as Parameters<FastifyInstance['createRateLimit']>[0]);

  return (scope) => async (request, reply) => {
    const caller = await identify(deps, log, request);
    request.caller = caller;
    const used = await rate(request);
    if (!used.isAllowed) {
      reply.headers({
        'ratelimit-limit': used.max,
        'ratelimit-remaining': used.remaining,
        'ratelimit-reset': used.ttlInSeconds,
      });
      if (used.isExceeded) {
        reply.header('retry-after', Math.max(1, used.ttlInSeconds));
        throw new Problem('rate_limited', `More than ${used.max} requests in a minute`);
      }
    }
    requireScope(caller, scope);
  };
}

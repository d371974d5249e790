/** What the HTTP layer keeps with a request and a route. */
import type { Caller } from '../tenancy/roles.ts';
import type { Claim } from './idempotency.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Null on public routes, and before the credential was checked. */
    caller: Caller | null;
    /** The Idempotency-Key this request runs under. */
    claim: Claim | null;
  }
  interface FastifyContextConfig {
    secretPath?: boolean;
  }
}

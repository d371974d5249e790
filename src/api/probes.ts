/** `/livez`, `/readyz`, `/metrics`: for whoever runs the process. No tenant data. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { collectDefaultMetrics, Histogram } from 'prom-client';
import { migrationStatus } from '../db/migrate.ts';
import { sql } from '../db/sql.ts';
import { registry } from '../kernel/metrics.ts';
import type { ApiDeps } from './deps.ts';

const READY_LIMIT_MS = 2_000;

const duration = new Histogram({
  name: 'cadenza_http_request_duration_seconds',
  help: 'Duration of HTTP requests by method, route and status',
  labelNames: ['method', 'route', 'status'] as const,
  buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30],
  registers: [registry],
});

let collecting = false;

/** The process's own figures; a second server in one process shares them. */
function collectProcessMetrics(): void {
  if (collecting) return;
  collecting = true;
  collectDefaultMetrics({ register: registry });
}

export function observe(request: FastifyRequest, reply: FastifyReply): void {
  duration.observe(
    { method: request.method, route: request.routeOptions.url ?? 'none', status: reply.statusCode },
    reply.elapsedTime / 1000,
  );
}

async function withLimit<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${READY_LIMIT_MS} ms`)), READY_LIMIT_MS);
  });
  return Promise.race([work, limit]).finally(() => clearTimeout(timer));
}

/** Null when ready; else why not. Migrations are looked at until they are current once: they only go forward. */
function readiness(deps: ApiDeps): () => Promise<string | null> {
  let migrated = false;
  return async () => {
    try {
      await withLimit(deps.db.call(sql`SELECT 1`));
      if (migrated) return null;
      const { pending } = await withLimit(migrationStatus({ url: deps.db.url }));
      if (pending.length > 0) return `${pending.length} migrations are pending`;
      migrated = true;
      return null;
    } catch (error) {
      deps.logger.warn({ err: error }, 'not ready');
      return 'the database does not answer';
    }
  };
}

export function installProbes(app: FastifyInstance, deps: ApiDeps): void {
  collectProcessMetrics();
  const ready = readiness(deps);
  const hidden = { schema: { hide: true } };
  app.get('/livez', hidden, async () => ({ status: 'ok' }));
  app.get('/readyz', hidden, async (_request, reply) => {
    const why = await ready();
    if (why === null) return { status: 'ok' };
    return reply.code(503).send({ status: 'not ready', reason: why });
  });
  app.get('/metrics', hidden, async (_request, reply) =>
    reply.type(registry.contentType).send(await registry.metrics()),
  );
}

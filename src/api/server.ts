/**
 * The HTTP server. In: what the composition root gives (`ApiDeps`). Out: a Fastify server, not yet listening. Thin on
 * purpose: it knows credentials, shapes and answers; what a call means is the modules' business.
 */
import helmet from '@fastify/helmet';
import multipart from '@fastify/multipart';
import rateLimit from '@fastify/rate-limit';
import underPressure from '@fastify/under-pressure';
import fastify, { type FastifyInstance, type FastifyRequest, LogController } from 'fastify';
import { serializerCompiler } from 'fastify-type-provider-zod';
import { newId } from '../kernel/ids.ts';
import { Problem } from '../kernel/problem.ts';
import { createSecurityLog, type SecurityLog } from '../tenancy/security-events.ts';
import { authentication } from './authentication.ts';
import { installClientErrors } from './client-errors.ts';
import type { ApiDeps } from './deps.ts';
import { installJsonBody } from './json-body.ts';
import { installProbes, observe } from './probes.ts';
import { installProblems, sendProblem, toProblem } from './problems.ts';
import { installDescription, installReference } from './reference.ts';
import { registerRoutes } from './register.ts';
import './request.ts';
import { unreadableLink } from './resources/unsubscribe.ts';
import { allRoutes } from './resources.ts';

const REQUEST_ID = /^[A-Za-z0-9._:-]{1,100}$/;
const UUID_IN_PATH = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi;
/** A request must have arrived within this time; large uploads over slow lines included. */
const REQUEST_LIMIT_MS = 300_000;
const KEEP_ALIVE_MS = 72_000;
/** Longer than any token: what is cut off or added to by a mail program still gets its polite page. */
const PATH_PARAM_LIMIT = 8_000;
/** Behind this much delay of the event loop a request would wait longer than its client. */
const EVENT_LOOP_LIMIT_MS = 5_000;
const FLUSH_MS = 15_000;

/** One more file than is taken, so that a second one is refused by its name rather than as too much. */
const UPLOAD_LIMITS = { files: 2, fields: 20, parts: 22, fieldSize: 64 * 1024, headerPairs: 50 };

function createServer(deps: ApiDeps): FastifyInstance {
  return fastify({
    loggerInstance: deps.logger,
    // Our own line instead, see `logRequests`.
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request_id' }),
    trustProxy: deps.config.trust_proxy,
    bodyLimit: deps.config.body_limit_bytes,
    requestTimeout: REQUEST_LIMIT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: PATH_PARAM_LIMIT },
    genReqId: ({ headers }) => {
      const given = headers['x-request-id'];
      return typeof given === 'string' && REQUEST_ID.test(given) ? given : newId();
    },
    clientErrorHandler: installClientErrors,
    frameworkErrors: (error, request, reply) =>
      unreadableLink.matches.test(request.url)
        ? reply
            .type('text/html; charset=utf-8')
            .headers(unreadableLink.headers)
            .send(unreadableLink.page() as never)
        : sendProblem(toProblem(error), request, reply),
  }) as unknown as FastifyInstance;
}

/** One line a request, with ids and without secrets: no query, no header, no token of a path. */
function logRequests(app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
  });
  app.addHook('onResponse', async (request, reply) => {
    observe(request, reply);
    const { url: route = null, config } = request.routeOptions;
    request.log.info(
      {
        method: request.method,
        route,
        path: config?.secretPath ? null : request.url.split('?')[0],
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime),
        ip: request.ip,
        org: request.caller?.org,
        actor: request.caller?.actor.id,
      },
      'request',
    );
  });
}

/** [TEN-3] What a caller asked for in vain, or may not do. */
function recordRefusals(log: SecurityLog) {
  return async (problem: Problem, request: FastifyRequest): Promise<void> => {
    const { caller } = request;
    if (caller === null) return;
    const where = { method: request.method, path: request.url.split('?')[0] };
    if (problem.code === 'forbidden')
      return log.record(caller, 'forbidden', { ...where, detail: problem.message });
    const inPath = (where.path?.match(UUID_IN_PATH) ?? []).map((id) => ({
      type: 'path',
      id: id.toLowerCase(),
    }));
    const ids = problem.unknown.length > 0 ? problem.unknown : problem.code === 'not_found' ? inPath : [];
    if (ids.length > 0) await log.record(caller, 'unknown_id', { ...where, ids });
  };
}

async function installPlugins(app: FastifyInstance, deps: ApiDeps): Promise<void> {
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    },
    crossOriginResourcePolicy: { policy: 'same-site' },
    // Only meaningful over TLS, which a proxy in front ends and announces.
    strictTransportSecurity: false,
  });
  await app.register(underPressure, {
    maxEventLoopDelay: EVENT_LOOP_LIMIT_MS,
    pressureHandler: (request, _reply, _type, value) => {
      // No measurement in the last second, which is no word about the load.
      if (value === Number.POSITIVE_INFINITY) return;
      if (request.url === '/livez' || request.url === '/readyz' || request.url === '/metrics') return;
      throw new Problem('unavailable', 'This process is overloaded');
    },
  });
  await app.register(rateLimit, { global: false });
  await app.register(multipart, { limits: { ...UPLOAD_LIMITS, fileSize: deps.config.upload_limit_bytes } });
}

/** The server, ready to listen or to be injected into. `close()` it to write the last security counts. */
export async function buildServer(deps: ApiDeps): Promise<FastifyInstance> {
  const app = createServer(deps);
  const log = createSecurityLog(deps.db, deps.logger);
  const flusher = setInterval(() => void log.flush(), FLUSH_MS);
  flusher.unref();
  app.addHook('onClose', async () => {
    clearInterval(flusher);
    await log.flush(true);
  });
  app.decorateRequest('caller', null);
  app.decorateRequest('claim', null);
  app.setSerializerCompiler(serializerCompiler);
  logRequests(app);
  installJsonBody(app);
  installProblems(app, recordRefusals(log));
  await installPlugins(app, deps);
  await installDescription(app);
  installProbes(app, deps);
  registerRoutes(app, deps, allRoutes(deps), authentication(app, deps, log));
  await installReference(app);
  await app.ready();
  return app;
}

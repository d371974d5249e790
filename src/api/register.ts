/**
 * From `Route` values to Fastify routes: the checks in their order, the description of every answer, and 405 for the
 * methods that a path does not have.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify';
import { z } from 'zod';
import { invariant } from '../kernel/invariant.ts';
import { PROBLEMS, Problem, type ProblemCode } from '../kernel/problem.ts';
import type { Scope } from '../tenancy/roles.ts';
import type { ApiDeps } from './deps.ts';
import { beginIdempotent, idempotencyHeaders, keepAnswer } from './idempotency.ts';
import { refuseUnstorable } from './json-body.ts';
import { InvalidInput, sendProblem } from './problems.ts';
import type { Answer, Input, Media, Route } from './route.ts';
import { problem as problemSchema } from './schemas.ts';

type Check = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;

const ALL_METHODS: HTTPMethods[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const NOTHING = z.strictObject({});
/** Of a body that is taken as it comes, so much is read; the rest is let go by. */
const LENIENT_BODY_BYTES = 4_096;
const UUID_ANY_CASE = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

function grouped<K, V>(values: readonly V[], keyOf: (value: V) => K): Map<K, V[]> {
  const groups = new Map<K, V[]>();
  for (const value of values) {
    const key = keyOf(value);
    groups.set(key, [...(groups.get(key) ?? []), value]);
  }
  return groups;
}

function isWrite(route: Route): boolean {
  return route.method !== 'GET';
}

function isMedia(answer: z.ZodType | Media): answer is Media {
  return 'media' in answer;
}

/** The codes that a route can refuse with, because of what it takes. */
export function problemsOf(route: Route): ProblemCode[] {
  const codes = new Set<ProblemCode>(['internal', 'unavailable', ...(route.problems ?? [])]);
  const add = (...more: ProblemCode[]) => {
    for (const code of more) codes.add(code);
  };
  add('invalid_request', 'malformed_request');
  if (route.scope !== null) add('unauthenticated', 'forbidden', 'rate_limited');
  if (route.params) add('not_found');
  if (isWrite(route) && !takesAnything(route)) {
    add('malformed_json', 'payload_too_large', 'unsupported_media_type');
    if (route.scope !== null) add('idempotency_key_reused', 'idempotency_in_progress');
  }
  return [...codes];
}

function describeAnswers(route: Route): Record<number, unknown> {
  const described: Record<number, unknown> = {};
  for (const [status, answer] of Object.entries(route.answers)) {
    if (answer === null) described[Number(status)] = z.undefined().describe('Done; nothing to say');
    else if (isMedia(answer))
      described[Number(status)] = {
        description: answer.about,
        content: { [answer.media]: { schema: z.string() } },
      };
    else
      described[Number(status)] = {
        description: answer.description ?? 'Done',
        content: { 'application/json': { schema: answer } },
      };
  }
  for (const [status, codes] of grouped(problemsOf(route), (code) => PROBLEMS[code].status)) {
    described[status] = {
      description: codes.map((code) => `\`${code}\`: ${PROBLEMS[code].title}`).join('. '),
      content: { 'application/problem+json': { schema: problemSchema } },
    };
  }
  return described;
}

/** A file, under whatever name, and the text fields. */
function formSchema(fields: z.ZodRawShape) {
  const { properties = {} } = z.toJSONSchema(z.strictObject(fields), { io: 'input', unrepresentable: 'any' });
  return {
    type: 'object',
    properties: { file: { type: 'string', format: 'binary' }, ...properties },
    required: ['file'],
  };
}

/** A mistyped field must be refused, not ignored. */
function requireStrict(schema: z.ZodType | undefined, what: string): void {
  if (schema instanceof z.ZodObject)
    invariant(schema.def.catchall instanceof z.ZodNever, `${what} is a z.strictObject`);
}

function validator(schema: unknown) {
  return (data: unknown) => {
    const result = (schema as z.ZodType).safeParse(data);
    return result.success ? { value: result.data } : { error: new InvalidInput(result.error.issues) };
  };
}

/** Before the schemas look: text that cannot be stored, the right kind of body, ids in one spelling. */
function prepare(route: Route): Check {
  return async (request) => {
    refuseUnstorable(request.query, 'query');
    const params = request.params as Record<string, string>;
    for (const [name, value] of Object.entries(params))
      if (UUID_ANY_CASE.test(value)) params[name] = value.toLowerCase();
    if (!isWrite(route)) return;
    if (request.isMultipart() !== (route.upload !== undefined))
      throw new Problem(
        'unsupported_media_type',
        route.upload ? 'This takes multipart/form-data' : 'This takes application/json',
      );
    if (route.upload || route.scope === null) return;
    request.body ??= {};
    if (!route.body) validateNothing(request.body);
  };
}

function validateNothing(body: unknown): void {
  const result = NOTHING.safeParse(body);
  if (result.success) return;
  const error = new InvalidInput(result.error.issues);
  error.validationContext = 'body';
  throw error;
}

function send(route: Route, answer: Answer, reply: FastifyReply): FastifyReply {
  const described = route.answers[answer.status];
  invariant(described !== undefined, `${route.method} ${route.path} describes its answer ${answer.status}`);
  reply.code(answer.status).headers(answer.headers ?? {});
  if (described === null) return reply.send();
  return reply
    .type(isMedia(described) ? `${described.media}; charset=utf-8` : 'application/json')
    .send(answer.body);
}

export function registerRoutes(
  app: FastifyInstance,
  deps: ApiDeps,
  routes: readonly Route[],
  check: (scope: Scope) => Check,
): void {
  app.setValidatorCompiler(({ schema }) => validator(schema));
  app.addHook('onSend', (request, reply, payload) => keepAnswer(deps, request, reply, payload));
  for (const route of routes.filter((one) => !takesAnything(one))) registerOne(app, deps, route, check);
  void app.register(async (scope) => {
    installRawBody(scope);
    for (const route of routes.filter((one) => one.raw)) registerOne(scope, deps, route, check);
  });
  void app.register(async (scope) => {
    installAnyBody(scope);
    for (const route of routes.filter((one) => one.lenient)) registerOne(scope, deps, route, check);
  });
  for (const [path, same] of grouped(routes, (route) => route.path)) refuseOtherMethods(app, path, same);
}

function takesAnything(route: Route): boolean {
  return route.lenient === true || route.raw !== undefined;
}

/** A body of any type, or none, as its bytes: a signature is over these. */
function installRawBody(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser('*', { parseAs: 'buffer' }, async (_request: unknown, bytes: Buffer) => bytes);
}

/** A body of any type, or none: its beginning as text. Nothing about it makes the request fail. */
function installAnyBody(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers();
  // A type that is none would be refused before any parser is asked.
  scope.addHook('onRequest', async (request) => {
    if (request.headers['content-type'] !== undefined)
      request.headers['content-type'] = 'application/octet-stream';
  });
  scope.addContentTypeParser('*', (_request, payload, done) => {
    const parts: Buffer[] = [];
    let length = 0;
    payload.on('data', (part: Buffer) => {
      if (length < LENIENT_BODY_BYTES) parts.push(part);
      length += part.length;
    });
    let told = false;
    const tell = () => {
      if (told) return;
      told = true;
      done(null, Buffer.concat(parts).subarray(0, LENIENT_BODY_BYTES).toString('latin1'));
    };
    payload.on('end', tell);
    // Who has gone before the body was complete has asked all the same.
    payload.on('error', tell);
  });
}

function registerOne(
  app: FastifyInstance,
  deps: ApiDeps,
  route: Route,
  check: (scope: Scope) => Check,
): void {
  const name = `${route.method} ${route.path}`;
  requireStrict(route.query, `the query of ${name}`);
  requireStrict(route.body, `the body of ${name}`);
  app.route({
    method: route.method,
    url: route.path,
    config: { secretPath: route.secretPath === true },
    ...(route.raw === undefined ? {} : { bodyLimit: route.raw }),
    ...(route.bodyLimit === undefined
      ? {}
      : { bodyLimit: Math.max(route.bodyLimit, deps.config.body_limit_bytes) }),
    schema: {
      tags: [route.tag],
      summary: route.summary,
      ...(route.about === undefined ? {} : { description: route.about }),
      security: route.scope === null ? [] : [{ api_key: [] }],
      ...(route.scope === null ? {} : { 'x-scope': route.scope }),
      ...(route.params ? { params: route.params } : {}),
      ...(takesAnything(route) ? {} : { querystring: route.query ?? NOTHING }),
      ...(route.body ? { body: route.body } : {}),
      ...(isWrite(route) && route.scope !== null ? { headers: idempotencyHeaders } : {}),
      ...(route.upload ? { 'x-form': formSchema(route.upload) } : {}),
      response: describeAnswers(route),
    },
    ...(route.scope === null ? {} : { onRequest: check(route.scope) }),
    ...(takesAnything(route) ? {} : { preValidation: prepare(route) }),
    ...(isWrite(route)
      ? {
          preHandler: (request: FastifyRequest, reply: FastifyReply) => beginIdempotent(deps, request, reply),
        }
      : {}),
    handler: async (request, reply) => {
      const { params, query, body } = request;
      const from = request.caller ?? { request_id: request.id, ip: request.ip };
      const input = { params, query, body, request, reply } as unknown as Input<
        undefined,
        undefined,
        undefined
      >;
      return send(route, await route.handle(from as never, input), reply);
    },
  });
}

function refuseOtherMethods(app: FastifyInstance, path: string, routes: readonly Route[]): void {
  const has: string[] = routes.map((route) => route.method);
  const allow = [...has, ...(has.includes('GET') ? ['HEAD'] : [])].join(', ');
  app.route({
    method: ALL_METHODS.filter((method) => !has.includes(String(method))),
    url: path,
    config: { secretPath: routes.some((route) => route.secretPath) },
    schema: { hide: true },
    exposeHeadRoute: false,
    // Before the body is read, whatever it is.
    onRequest: async (request, reply) =>
      sendProblem(
        new Problem('method_not_allowed', `${path} takes ${allow}`),
        request,
        reply.header('allow', allow),
      ),
    handler: async () => invariant(false, 'answered before'),
  });
}

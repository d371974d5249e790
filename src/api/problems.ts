/** From anything thrown to an RFC 9457 answer. What is nobody's input error is logged with its cause and says nothing. */
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { pgCode } from '../db/database.ts';
import { type FieldError, PROBLEMS, Problem, type ProblemCode } from '../kernel/problem.ts';

/** What a schema found wrong, and where it looked. */
export class InvalidInput extends Error {
  readonly issues: readonly z.core.$ZodIssue[];
  /** Set by Fastify. */
  validationContext?: string;

  constructor(issues: readonly z.core.$ZodIssue[]) {
    super('invalid input');
    this.issues = issues;
  }
}

/** `steps[2].subject` */
export function fieldPath(path: readonly PropertyKey[]): string {
  return path
    .map((key, i) => (typeof key === 'number' ? `[${key}]` : `${i > 0 ? '.' : ''}${String(key)}`))
    .join('');
}

type Issues = readonly z.core.$ZodIssue[];

/**
 * Of several forms an object may have, the one it was meant to be: that with the fewest fields it does not know, of
 * equals the first. Null: it is of another type than any of them.
 */
function meantBranch(branches: readonly Issues[]): Issues | null {
  const unknown = (issues: Issues) =>
    issues.reduce(
      (n, issue) =>
        n + (issue.code === 'unrecognized_keys' && issue.path.length === 0 ? issue.keys.length : 0),
      0,
    );
  const objects = branches.filter((issues) =>
    issues.every(
      (issue) => issue.path.length > 0 || issue.code === 'unrecognized_keys' || issue.code === 'custom',
    ),
  );
  return objects.sort((a, b) => unknown(a) - unknown(b))[0] ?? null;
}

/** An entry a field that is wrong. */
export function fieldErrors(issue: z.core.$ZodIssue): FieldError[] {
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({
      field: fieldPath([...issue.path, key]),
      code: 'unknown_field',
      message: 'There is no such field',
    }));
  if (issue.code === 'invalid_union') {
    const meant = meantBranch(issue.errors);
    if (meant)
      return meant.flatMap((inner) => fieldErrors({ ...inner, path: [...issue.path, ...inner.path] }));
  }
  // A rule of our own has its words alone.
  const code = issue.code === 'custom' ? 'invalid_value' : issue.code;
  return [{ field: fieldPath(issue.path), code, message: inWords(issue) }];
}

const TYPES: Record<string, string> = {
  string: 'a text',
  number: 'a number',
  nan: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
  null: 'null',
};

/** What is wrong with a value, without the words of the library that found it. */
function inWords(issue: z.core.$ZodIssue): string {
  if (issue.code !== 'invalid_type') return issue.message;
  if (issue.message.endsWith('received undefined')) return 'is required';
  const type = TYPES[issue.expected];
  return type === undefined ? issue.message : `must be ${type}`;
}

const WHERE: Record<string, string> = { body: 'body', querystring: 'query' };

/** Of the headers, which: each is described by itself. */
function whatDoesNotFit({ validationContext, issues }: InvalidInput): string {
  if (validationContext !== 'headers')
    return `The ${WHERE[validationContext ?? ''] ?? 'request'} does not fit its description`;
  const names = [...new Set(issues.map(({ path }) => String(path[0])))];
  return names.length === 1
    ? `The header ${names[0]} does not fit its description`
    : `The headers ${names.join(', ')} do not fit their descriptions`;
}

function fromInvalidInput(error: InvalidInput): Problem {
  if (error.validationContext === 'params') return new Problem('not_found', 'Nothing has this address');
  return new Problem('invalid_request', whatDoesNotFit(error), {
    errors: error.issues.flatMap(fieldErrors),
  });
}

/** Of Fastify, its parsers and plugins. */
const BY_FASTIFY_CODE: Record<string, ProblemCode> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'payload_too_large',
  FST_REQ_FILE_TOO_LARGE: 'payload_too_large',
  FST_FILES_LIMIT: 'payload_too_large',
  FST_PARTS_LIMIT: 'payload_too_large',
  FST_FIELDS_LIMIT: 'payload_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_INVALID_MULTIPART_CONTENT_TYPE: 'unsupported_media_type',
  FST_ERR_MAX_PARAM_LENGTH: 'not_found',
  FST_UNDER_PRESSURE: 'unavailable',
};

/** Busboy's words for a form that is cut off or has no usable boundary; it gives them no code. */
const BROKEN_FORM = /^Multipart: |unexpected end of multipart data$|^The needle cannot/i;

/** Connection lost, server stopping or starting, too many connections, deadlock and the like: try again. */
const PASSING = /^(08|40|53|55P03|57)/;
const NETWORK = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EHOSTUNREACH']);
const LOST =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error)/;

function isPassing(error: Error & { code?: unknown }): boolean {
  const code = pgCode(error);
  if (code !== null) return PASSING.test(code);
  return NETWORK.has(String(error.code)) || LOST.test(error.message);
}

export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof InvalidInput) return fromInvalidInput(error);
  if (!(error instanceof Error)) return new Problem('internal', 'An unexpected error', { cause: error });
  const { code, statusCode } = error as FastifyError;
  const known = BY_FASTIFY_CODE[code];
  if (known) return new Problem(known, PROBLEMS[known].title, { cause: error });
  if (isPassing(error)) return new Problem('unavailable', 'The database does not answer', { cause: error });
  if (BROKEN_FORM.test(error.message))
    return new Problem(
      'malformed_request',
      'The form cannot be read: it is cut off, or has no usable boundary',
      {
        cause: error,
      },
    );
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return new Problem('malformed_request', error.message, { cause: error });
  return new Problem('internal', 'An unexpected error', { cause: error });
}

export function problemDocument(problem: Problem, request: { id: string; path: string }) {
  const { status, title, advice } = PROBLEMS[problem.code];
  return {
    type: `urn:cadenza:problem:${problem.code}`,
    title,
    status,
    code: problem.code,
    detail: problem.message,
    advice,
    instance: request.path,
    request_id: request.id,
    ...(problem.errors.length > 0 ? { errors: problem.errors } : {}),
    ...problem.extra,
  };
}

const RETRY_AFTER_S = 1;

export function sendProblem(problem: Problem, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status } = PROBLEMS[problem.code];
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="cadenza"');
  if (status === 503) reply.header('retry-after', RETRY_AFTER_S);
  const { retry_after_s } = problem.extra;
  if (status === 429 && typeof retry_after_s === 'number') reply.header('retry-after', retry_after_s);
  // A path with a token in it is not repeated.
  const path = request.routeOptions.config?.secretPath ? request.routeOptions.url : request.url.split('?')[0];
  return reply
    .code(status)
    .header('x-request-id', request.id)
    .type('application/problem+json')
    .serializer((document: unknown) => JSON.stringify(document))
    .send(problemDocument(problem, { id: request.id, path: path ?? '/' }));
}

/** Every error of every route ends here. `onRefusal` records what is of interest to security. */
export function installProblems(
  app: FastifyInstance,
  onRefusal: (problem: Problem, request: FastifyRequest) => Promise<void>,
): void {
  app.setErrorHandler(async (error, request, reply) => {
    const problem = toProblem(error);
    const { status } = PROBLEMS[problem.code];
    if (status >= 500) request.log.error({ err: problem.cause ?? problem }, problem.message);
    await onRefusal(problem, request);
    return sendProblem(problem, request, reply);
  });
  app.setNotFoundHandler((request, reply) =>
    sendProblem(new Problem('not_found', 'Nothing has this address'), request, reply),
  );
}

/**
 * JSON bodies: bytes to a value that PostgreSQL can store. It takes no NUL character and no half of a surrogate pair,
 * so they are refused here, by field, like deep nesting, bytes that are not UTF-8 and `__proto__`.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type FieldError, Problem } from '../kernel/problem.ts';
import { fieldPath } from './problems.ts';

const MAX_DEPTH = 32;
const MAX_ERRORS = 20;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the character looked for
const UNSTORABLE = /\u0000|\p{Surrogate}/u;

const utf8 = new TextDecoder('utf-8', { fatal: true });

function parse(bytes: Buffer): unknown {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch (cause) {
    throw new Problem('malformed_json', 'The body is not valid UTF-8', { cause });
  }
  if (text.trim() === '') return undefined;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Problem('malformed_json', (cause as Error).message, { cause });
  }
}

function wrongText(path: PropertyKey[]): FieldError {
  return {
    field: fieldPath(path),
    code: 'invalid_text',
    message: 'Holds a NUL character or half of a surrogate pair',
  };
}

function look(value: unknown, path: PropertyKey[], errors: FieldError[]): void {
  if (errors.length >= MAX_ERRORS) return;
  if (typeof value === 'string') {
    if (UNSTORABLE.test(value)) errors.push(wrongText(path));
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  if (path.length >= MAX_DEPTH) {
    errors.push({ field: fieldPath(path), code: 'too_deep', message: `Nested deeper than ${MAX_DEPTH}` });
    return;
  }
  const entries: Iterable<[PropertyKey, unknown]> = Array.isArray(value)
    ? value.entries()
    : Object.entries(value);
  for (const [key, inner] of entries) {
    const inside = [...path, key];
    if (key === '__proto__')
      errors.push({ field: fieldPath(inside), code: 'unknown_field', message: 'Not allowed' });
    else if (typeof key === 'string' && UNSTORABLE.test(key)) errors.push(wrongText(path));
    else look(inner, inside, errors);
  }
}

/** @throws Problem invalid_request naming the fields that hold text PostgreSQL cannot store */
export function refuseUnstorable(value: unknown, where: string): void {
  const errors: FieldError[] = [];
  look(value, [], errors);
  if (errors.length > 0)
    throw new Problem('invalid_request', `The ${where} holds what cannot be stored`, { errors });
}

/** RFC 8259: JSON is UTF-8. Bytes of another encoding can pass for it, and mean something else. */
function refuseOtherCharset(type: string): void {
  const charset = /;\s*charset\s*=\s*"?([^\s";]*)/i.exec(type)?.[1];
  if (charset === undefined || /^utf-?8$/i.test(charset)) return;
  throw new Problem(
    'unsupported_media_type',
    `JSON is read as UTF-8, not as ${charset || 'an empty charset'}`,
  );
}

export function installJsonBody(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'buffer' },
    async (request: FastifyRequest, bytes: Buffer) => {
      refuseOtherCharset(request.headers['content-type'] ?? '');
      const value = parse(bytes);
      refuseUnstorable(value, 'body');
      return value;
    },
  );
}

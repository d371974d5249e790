/** Reads a multipart form: one file, streamed to whoever stores it, and text fields before or after it. */
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { Problem } from '../kernel/problem.ts';
import { refuseUnstorable } from './json-body.ts';
import { fieldErrors } from './problems.ts';

export interface Received<T> {
  result: T;
  fields: Record<string, string>;
}

export interface Store<T> {
  store(filename: string, source: AsyncIterable<Uint8Array>): Promise<T>;
  /** The file was stored, and what came after it refuses the request: it is to leave nothing. */
  discard?(stored: T): Promise<void>;
}

/**
 * The file must be in a part with a file name; what it is called does not matter.
 * @throws invalid_request when there is no file, another one, or a field twice
 */
export async function receiveFile<T>(
  request: FastifyRequest,
  { store, discard }: Store<T>,
): Promise<Received<T>> {
  const fields: Record<string, string> = {};
  let stored: { result: T } | null = null;
  let refusal: Problem | null = null;
  try {
    for await (const part of request.parts()) {
      if (part.type === 'file' && stored === null) {
        stored = { result: await store(part.filename, part.file) };
      } else if (part.type === 'file') {
        refusal ??= wrong('file', 'too_many', 'One file a request: send each in its own.');
        // Read to its end, or whoever sends it waits for us while we wait for nobody.
        part.file.resume();
      } else if (Object.hasOwn(fields, part.fieldname)) {
        refusal ??= wrong(part.fieldname, 'given_twice', 'Given twice.');
      } else fields[part.fieldname] = String(part.value);
    }
    if (refusal !== null) throw refusal;
  } catch (error) {
    if (stored !== null) await discard?.(stored.result);
    throw refusal ?? error;
  }
  if (stored === null) throw wrong('file', 'required', 'Send the file as a part with a file name.');
  return { result: stored.result, fields };
}

/** A field that holds JSON. */
export function jsonField<T extends z.ZodType>(schema: T) {
  return z.preprocess((text, context) => {
    if (typeof text !== 'string') return text;
    try {
      return JSON.parse(text) as unknown;
    } catch {
      context.addIssue({ code: 'custom', message: 'This is not valid JSON' });
      return z.NEVER;
    }
  }, schema);
}

/** The form's text fields, checked. @throws invalid_request */
export function fieldsOf<T extends z.ZodRawShape>(
  shape: T,
  fields: Record<string, string>,
): z.output<z.ZodObject<T>> {
  refuseUnstorable(fields, 'form');
  const read = z.strictObject(shape).safeParse(fields);
  if (read.success) return read.data as z.output<z.ZodObject<T>>;
  const errors = read.error.issues.flatMap(fieldErrors);
  throw new Problem('invalid_request', 'The form does not fit its description', { errors });
}

function wrong(field: string, code: string, message: string): Problem {
  return new Problem('invalid_request', message, { errors: [{ field, code, message }] });
}

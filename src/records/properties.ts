/** Properties of events and records: a small JSON object of facts, no store for documents. */
import { z } from 'zod';

export const MAX_PROPERTIES = 100;
export const MAX_PROPERTIES_BYTES = 16 * 1024;
const MAX_KEY = 100;

export type Properties = Record<string, unknown>;

export const propertiesSchema = z
  .record(z.string().min(1).max(MAX_KEY), z.unknown())
  .refine((value) => Object.keys(value).length <= MAX_PROPERTIES, {
    message: `must have at most ${MAX_PROPERTIES} members`,
  })
  .refine((value) => Buffer.byteLength(JSON.stringify(value)) <= MAX_PROPERTIES_BYTES, {
    message: `must be at most ${MAX_PROPERTIES_BYTES} bytes of JSON`,
  })
  .describe(
    `Facts about it, at most ${MAX_PROPERTIES} members and ${MAX_PROPERTIES_BYTES} bytes; rules read the outer ones`,
  );

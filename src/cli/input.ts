/** What commands read: ids, and JSON or text from a file or from standard input (`-`). */
import { readFileSync } from 'node:fs';
import type { z } from 'zod';
import { InvalidInput, toProblem } from '../api/problems.ts';
import { isUuid, type Uuid } from '../kernel/ids.ts';
import { type Call, UsageError } from './command.ts';

const STANDARD_INPUT = 0;

/** The first argument, an id. @throws UsageError naming the command that lists them */
export function idArgument(call: Pick<Call, 'args'>, listedBy: string): Uuid {
  return uuidArgument(call, `ID is the id that \`npx cadenza ${listedBy}\` shows.`);
}

/** @throws UsageError with that text */
export function uuidArgument(call: Pick<Call, 'args'>, otherwise: string): Uuid {
  const id = call.args[0]!.toLowerCase();
  if (!isUuid(id)) throw new UsageError(otherwise);
  return id;
}

/** @throws UsageError */
export function readText(path: string): string {
  try {
    return readFileSync(path === '-' ? STANDARD_INPUT : path, 'utf8');
  } catch (error) {
    throw new UsageError(`${path} cannot be read: ${(error as Error).message}`);
  }
}

/** @throws UsageError */
export function readJson(path: string): unknown {
  const text = readText(path);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${path} is not JSON: ${(error as Error).message}`);
  }
}

/** As the API would take it. @throws Problem invalid_request with every problem */
export function fitting<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw toProblem(new InvalidInput(result.error.issues));
}

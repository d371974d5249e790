/** The shapes that many resources share. */
import { z } from 'zod';
import { PAGE_LIMIT } from '../kernel/page.ts';
import { PROBLEMS, type ProblemCode } from '../kernel/problem.ts';
import { ROLES } from '../tenancy/context.ts';
import { SCOPES } from '../tenancy/roles.ts';

export const id = z.guid().toLowerCase().describe('A UUID');

/** `/:id` */
export const idParams = z.object({ id });

/** A time in an answer. */
export const time = z.date().describe('RFC 3339, UTC');

/** Years in UTC. JavaScript writes those outside 0..9999, and year 0, in a way that PostgreSQL does not read. */
const YEARS = { min: 1900, max: 9998 };

/** A time in a request; with any offset. */
export const timeIn = z.iso
  .datetime({ offset: true })
  .refine(isInYears, `must be in the years ${YEARS.min} to ${YEARS.max}`)
  .transform((text) => new Date(text));

/** What is no time at all is refused as that. */
function isInYears(text: string): boolean {
  const year = new Date(text).getUTCFullYear();
  return Number.isNaN(year) || (year >= YEARS.min && year <= YEARS.max);
}

/** One line of text that a person wrote: a name, a title. */
export const line = (max: number) =>
  z
    .string()
    .trim()
    .min(1)
    .max(max)
    .regex(/^[^\r\n]*$/, 'must be one line');

export const role = z.enum(ROLES);
export const scope = z.enum(SCOPES);

export const timeZone = z
  .string()
  .max(64)
  .refine(isTimeZone, 'must be an IANA time zone such as Europe/Berlin')
  .describe('IANA time zone');

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    // Offsets are accepted by Intl and have no daylight saving time.
    return !/^[+-]/.test(name);
  } catch {
    return false;
  }
}

/** `?limit=&cursor=`; extend it with a list's filters. */
export const pageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(PAGE_LIMIT.max).default(PAGE_LIMIT.default),
  cursor: z.string().max(1_000).optional().describe('next_cursor of the page before'),
});

export function page<T extends z.ZodType>(item: T) {
  return z.object({ items: z.array(item), next_cursor: z.string().nullable() });
}

export const fieldError = z
  .object({ field: z.string(), code: z.string(), message: z.string() })
  .meta({ id: 'FieldError' });

export const problem = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    code: z.enum(Object.keys(PROBLEMS) as [ProblemCode, ...ProblemCode[]]),
    detail: z.string(),
    advice: z.string(),
    instance: z.string(),
    request_id: z.string(),
    errors: z.array(fieldError).optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details; `code` is stable.' });

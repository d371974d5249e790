/** `/api/holidays`: days on which nothing is sent, to anybody or to recipients in one country. */
import { z } from 'zod';
import { Problem } from '../../kernel/problem.ts';
import { dayOfDate } from '../../schedule/days-off.ts';
import { importHolidays, readCalendarFile } from '../../senders/holiday-file.ts';
import { listHolidays, MAX_HOLIDAYS, replaceHolidays } from '../../senders/holidays.ts';
import type { ApiDeps } from '../deps.ts';
import { ok, type Route, route } from '../route.ts';
import { line, page, pageQuery } from '../schemas.ts';
import { fieldsOf, receiveFile } from '../upload.ts';

const tag = 'Organization';

const OWN = 'own';
const code = z.string().regex(/^[A-Z]{2}$/, 'must be an ISO 3166 code such as DE');
const country = code
  .nullable()
  .describe('ISO 3166 code; null: the organization’s own, on which it sends to nobody');
const date = z
  .string()
  .refine((text) => dayOfDate(text) !== null, 'must be a date that exists, YYYY-MM-DD')
  .describe('YYYY-MM-DD');

const holiday = z.object({ date: z.string(), name: z.string() });

const listed = holiday.extend({ country: z.string().nullable() }).meta({ id: 'Holiday' });

const list = z.strictObject({
  country,
  holidays: z.array(z.strictObject({ date, name: line(200) })).max(MAX_HOLIDAYS),
});

const flag = z.enum(['true', 'false']).optional();

const form = {
  country: code.optional(),
  preview: flag,
  skip_unreadable: flag,
};

const leftOut = z.object({ line: z.number().int(), name: z.string(), reason: z.string() });

const imported = z
  .object({
    country: z.string().nullable(),
    written: z.boolean(),
    holidays: z.array(holiday),
    left_out: z.array(leftOut).describe('Events that are no holidays: meetings, and what was cancelled'),
    unreadable: z.array(leftOut),
  })
  .meta({ id: 'HolidayImport' });

export function holidayRoutes({ db }: ApiDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/api/holidays',
      tag,
      summary: 'List holidays',
      scope: 'settings:read',
      query: pageQuery.extend({
        country: z.union([code, z.literal(OWN)]).optional(),
        from: date.optional(),
        until: date.optional(),
      }),
      answers: { 200: page(listed) },
      handle: async (caller, { query: { limit, cursor, country: of, from, until } }) =>
        ok(await listHolidays(db, caller, { country: of === OWN ? '' : of, from, until }, { limit, cursor })),
    }),
    route({
      method: 'PUT',
      path: '/api/holidays',
      tag,
      summary: 'Set the holidays of a country, or the organization’s own',
      about: `The list replaces what was there for this country. Nothing is sent on the organization’s own holidays, by the calendar of
the sequence’s time zone, and nothing to recipients who may be in a country on that country’s. They are no business days either.`,
      scope: 'settings:write',
      body: list,
      answers: {
        200: z.object({ country: z.string().nullable(), count: z.number().int(), changed: z.boolean() }),
      },
      handle: async (caller, { body }) => {
        refuseTwice(body.holidays);
        return ok(await replaceHolidays(db, caller, body.country, body.holidays));
      },
    }),
    route({
      method: 'POST',
      path: '/api/holidays/import',
      tag,
      summary: 'Set holidays from an .ics file',
      about: `\`multipart/form-data\` with the file in \`file\` and, as text fields, \`country\` (without it: the organization’s own),
\`preview\` and \`skip_unreadable\`. Its all-day events replace what was there for this country; yearly ones are written out for ten
years. With \`preview=true\` nothing is written. A file with events that cannot be read is refused unless \`skip_unreadable=true\`.`,
      scope: 'settings:write',
      upload: form,
      answers: { 200: imported },
      problems: ['calendar_unreadable'],
      handle: async (caller, { request }) => {
        const { result, fields } = await receiveFile(request, {
          store: (_name, source) => readCalendarFile(source),
        });
        const wanted = fieldsOf(form, fields);
        return ok(
          await importHolidays(db, caller, result, {
            country: wanted.country ?? null,
            preview: wanted.preview === 'true',
            skip_unreadable: wanted.skip_unreadable === 'true',
            now: Date.now(),
          }),
        );
      },
    }),
  ];
}

function refuseTwice(holidays: readonly { date: string }[]): void {
  const seen = new Set<string>();
  const errors = holidays.flatMap(({ date: day }, i) => {
    if (!seen.has(day)) {
      seen.add(day);
      return [];
    }
    return [{ field: `holidays[${i}].date`, code: 'duplicate', message: 'This date is there twice' }];
  });
  if (errors.length > 0) throw new Problem('invalid_request', 'The list is not valid', { errors });
}

/** Forecasts: what will be sent in the coming days, of a sequence, an enrollment and the organization. */
import { z } from 'zod';
import { CHANNEL_NAMES, MODES } from '../../kernel/channels.ts';
import {
  FORECAST_DAYS,
  forecastEnrollment,
  forecastOrganization,
  forecastSequence,
} from '../../plan/forecast/forecast.ts';
import { LIMITS } from '../../plan/forecast/limits.ts';
import { ENROLLMENT_STATUSES } from '../../plan/sequences/lifecycle.ts';
import type { ApiDeps } from '../deps.ts';
import { ok, type Route, route } from '../route.ts';
import { id, idParams, time } from '../schemas.ts';

const tag = 'Forecasts';
const count = z.number().int();

const days = z.coerce
  .number()
  .int()
  .min(1)
  .max(FORECAST_DAYS.max)
  .default(FORECAST_DAYS.default)
  .describe("How many of the organization's days, today the first");
const query = z.strictObject({ days });

const limit = z
  .enum(LIMITS)
  .describe(
    'What keeps a message back beyond the delay of its step: the last thing that gave it another time',
  );

const span = {
  from: time.describe('Now: what is overdue goes at this moment'),
  until: time,
  time_zone: z.string().describe("The organization's, whose days these are"),
  not_counted: z
    .array(z.string())
    .describe(
      'Limits the organization has that are not counted in: `frequency_cap` of contacts, where too many wait to look at each',
    ),
};

const forecast = z
  .object({
    ...span,
    days: count,
    totals: z.object({
      sends: count.describe('By programs, in these days'),
      people: count.describe('Due for people in these days'),
      conditional: count.describe('Of both, those that come after something taken for granted'),
      later: count.describe('Enrollments whose next touch comes after these days'),
    }),
    items: z
      .array(
        z.object({
          day: z.iso.date(),
          sender_id: id.nullable().describe('null: people do it'),
          channel: z.enum(CHANNEL_NAMES),
          mode: z.enum(MODES),
          count,
          conditional: count.describe(
            'Of these, how many only if people do the steps before when they are due, waits last to their end, and what conditions ask of events stays as it is',
          ),
          limits: z.array(z.object({ limit, count })).describe('What keeps how many back until that day'),
        }),
      )
      .describe('In order of the days'),
    held: z
      .array(z.object({ reason: z.string(), count }))
      .describe('Waiting without a time, by what holds them'),
    ends: z
      .array(z.object({ how: z.string(), count }))
      .describe('Enrollments that come to their end in these days'),
    sequences: z.array(z.object({ sequence_id: id, count })).describe('Touches by sequence, most first'),
  })
  .meta({ id: 'Forecast', description: 'As if every message were accepted and nobody answered or left' });

const enrollmentForecast = z.object({
  enrollment_id: id,
  status: z.enum(ENROLLMENT_STATUSES).describe('One that is not active has no steps to come'),
  ...span,
  steps: z.array(
    z.object({
      step_id: id,
      step_no: count,
      channel: z.enum(CHANNEL_NAMES),
      mode: z.enum(MODES),
      sender_id: id.nullable(),
      at: time.nullable().describe('null: see `held_by`'),
      limit: limit.nullable(),
      conditional: z.boolean(),
      held_by: z
        .string()
        .nullable()
        .describe('Why it has no time: what holds it, or `later` than these days'),
    }),
  ),
});

export function forecastRoutes({ db, versions }: ApiDeps): Route[] {
  const common = { method: 'GET' as const, tag, scope: 'outreach:read' as const, query };
  return [
    route({
      ...common,
      path: '/api/outreach/forecast',
      summary: 'What the organization will send, day by day',
      about:
        'Planned touches and the follow-ups that will come of them, by the code that schedules. Nothing is written.',
      answers: { 200: forecast },
      handle: async (caller, { query: wanted }) =>
        ok(await forecastOrganization(db, versions, caller.org, wanted)),
    }),
    route({
      ...common,
      path: '/api/outreach/sequences/:id/forecast',
      summary: 'What a sequence will send, day by day',
      about: 'What other sequences take of the limits of its senders is counted in.',
      params: idParams,
      answers: { 200: forecast.extend({ sequence_id: id }) },
      handle: async (caller, { params, query: wanted }) =>
        ok(await forecastSequence(db, versions, caller.org, params.id, wanted)),
    }),
    route({
      ...common,
      path: '/api/outreach/enrollments/:id/forecast',
      summary: 'When the remaining steps of an enrollment will go',
      params: idParams,
      answers: { 200: enrollmentForecast },
      handle: async (caller, { params, query: wanted }) =>
        ok(await forecastEnrollment(db, versions, caller.org, params.id, wanted)),
    }),
  ];
}

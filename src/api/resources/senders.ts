/** `/api/senders`: the accounts that messages go out through. Credentials go in and never come out (TEN-8). */
import { z } from 'zod';
import { SENDER_CHANNELS } from '../../kernel/channels.ts';
import { windowSchema } from '../../plan/sequences/definition.ts';
import { sequencesUsing } from '../../plan/sequences/sender-use.ts';
import { turnSender } from '../../plan/switches.ts';
import { archiveSender } from '../../senders/archive.ts';
import { USUAL_BREAKER } from '../../senders/breaker.ts';
import { updateSender } from '../../senders/change.ts';
import { createSender } from '../../senders/create.ts';
import { SENDER_STATUSES } from '../../senders/senders.ts';
import { getSender, listSenders } from '../../senders/show.ts';
import { verifySender } from '../../senders/verify.ts';
import type { ApiDeps } from '../deps.ts';
import { receipt, waitQuery } from '../receipt.ts';
import { created, ok, type Route, route } from '../route.ts';
import { id, idParams, line, page, pageQuery, time, timeZone } from '../schemas.ts';

const tag = 'Senders';
const MAX_LIMIT = 1_000_000;
const MAX_GAP_S = 86_400;

const limit = z.number().int().min(1).max(MAX_LIMIT).nullable();
const gap = z.number().int().min(0).max(MAX_GAP_S).nullable();

const ramp = z
  .strictObject({
    start: z.number().int().min(1).max(MAX_LIMIT).describe('Messages on the day of its first send'),
    increase: z.number().int().min(1).max(MAX_LIMIT).describe('So many more …'),
    every_days: z
      .number()
      .int()
      .min(1)
      .max(365)
      .default(1)
      .describe('… each so many days, up to `daily_limit`'),
  })
  .meta({ id: 'Ramp' });

const percent = z.number().min(0).max(100);
const breaker = z
  .strictObject({
    min_sends: z
      .number()
      .int()
      .min(1)
      .max(MAX_LIMIT)
      .default(USUAL_BREAKER.min_sends)
      .describe('Fewer messages prove nothing'),
    bounce_percent: percent
      .default(USUAL_BREAKER.bounce_percent)
      .describe('More than so many percent bounced; 100: never'),
    failure_percent: percent
      .default(USUAL_BREAKER.failure_percent)
      .describe('More than so many percent failed for good'),
  })
  .meta({ id: 'Breaker' });

const amount = z.string().regex(/^\d{1,9}(\.\d{1,12})?$/, 'must be a decimal amount such as "0.0079"');
const MAX_PREFIXES = 300;
const price = z
  .strictObject({
    amount: amount.describe('Of one segment, a decimal text'),
    currency: z.string().regex(/^[A-Z]{3}$/, 'must be a code of ISO 4217 such as "USD"'),
    prefixes: z
      .record(
        z.string().regex(/^\+[1-9]\d{0,9}$/, 'must be the beginning of a number, such as "+49"'),
        amount,
      )
      .refine((prefixes) => Object.keys(prefixes).length <= MAX_PREFIXES, `at most ${MAX_PREFIXES}`)
      .optional()
      .describe('Of numbers that begin so, instead of `amount`; the longest that fits'),
  })
  .meta({ id: 'SegmentPrice' });

const usage = z.object({
  time_zone: z.string().describe('The zone its days are counted in'),
  day: z.string().describe('Today there'),
  used_today: z.number().int(),
  daily_limit: z.number().int().nullable(),
  ramp_limit: z.number().int().nullable().describe('What its ramp allows it today'),
  limit_today: z.number().int().nullable().describe('The lesser of both'),
  limited_by: z.enum(['daily_limit', 'ramp']).nullable().describe('Which of them that is'),
  used_this_hour: z.number().int().nullable().describe('null without an hourly limit'),
  hourly_limit: z.number().int().nullable(),
  next_day_at: time.describe('When its next day begins'),
  record: z
    .object({
      since: z.string(),
      sends: z.number().int(),
      failed: z.number().int(),
      bounced: z.number().int(),
    })
    .describe('What its circuit breaker goes by: its messages of today and yesterday'),
  gap: z
    .object({
      counts_from: time.nullable().describe('From when the gap before its next message counts'),
      waiting: z.number().int().describe('Messages that were given a moment of their own because of it'),
      next_at: time.nullable().describe('The next of these moments'),
    })
    .nullable()
    .describe('null: it keeps no gap between two messages'),
});

const sender = z
  .object({
    id,
    channel: z.enum(SENDER_CHANNELS),
    provider: z.string(),
    name: z.string(),
    from: z.object({ name: z.string().nullable(), address: z.string() }),
    reply_to: z.string().nullable(),
    config: z.record(z.string(), z.unknown()).describe('Without what is secret'),
    has_secret: z.boolean().describe('Whether credentials are kept'),
    daily_limit: z.number().int().nullable(),
    hourly_limit: z.number().int().nullable(),
    min_gap_s: z.number().int().nullable(),
    max_gap_s: z.number().int().nullable(),
    ramp: ramp.nullable(),
    breaker: breaker.nullable().describe('null: as usual'),
    time_zone: z.string().nullable(),
    window: windowSchema.nullable(),
    price: price.nullable().describe('null: not said, and no cost is estimated'),
    status: z.enum(SENDER_STATUSES),
    status_reason: z.string().nullable().describe('`circuit_breaker: …`: paused by itself, and why'),
    version: z.number().int().describe('Rises with each change of its settings'),
    epoch: z.number().int().describe('Rises with each pause and resume'),
    verified_at: time.nullable().describe('When these settings were last proven'),
    usage: usage.nullable(),
    warning: z
      .string()
      .nullable()
      .describe('What whoever uses it has to know: that WhatsApp bans such numbers'),
    created_at: time,
    updated_at: time,
  })
  .meta({ id: 'Sender' });

const from = z.strictObject({
  name: line(200).nullable().optional(),
  address: line(254).describe('An e-mail address, a phone number in E.164, the name of a bot or of a source'),
});
const config = z.record(z.string().max(100), z.unknown());

const limits = {
  reply_to: z.email().max(254).nullable().optional().describe('For e-mail'),
  daily_limit: limit.optional().describe('Messages a day, in the zone of the sender'),
  hourly_limit: limit.optional(),
  min_gap_s: gap.optional().describe('Least seconds between two messages'),
  max_gap_s: gap
    .optional()
    .describe('Most: the gap before each message is drawn between both, once; given alone, from 0'),
  breaker: breaker
    .nullable()
    .optional()
    .describe('When it is paused by itself, by its messages of today and yesterday'),
  ramp: ramp
    .nullable()
    .optional()
    .describe('What a new sender may send a day, rising from its first send on'),
  time_zone: timeZone.nullable().optional().describe("Absent: the organization's"),
  window: windowSchema.nullable().optional().describe('When it may send'),
  price: price.nullable().optional().describe('Of SMS: what the provider takes for a segment'),
};

export const newSender = z.strictObject({
  channel: z.enum(SENDER_CHANNELS),
  provider: line(50).describe('`smtp`, or another that this installation knows for the channel'),
  name: line(200),
  from,
  config: config.describe('What the provider needs: host, port, username, password …').default({}),
  ...limits,
});

const patch = z.strictObject({
  name: line(200).optional(),
  from: from.optional(),
  config: config
    .optional()
    .describe('A merge patch: what is not named stays, the password too; null takes a field away'),
  ...limits,
});

const check = z.object({ name: z.string(), ok: z.boolean(), detail: z.string() });

export function senderRoutes(deps: ApiDeps): Route[] {
  return [...crud(deps), ...actions(deps)];
}

function crud({ db, secrets, adapters }: ApiDeps): Route[] {
  return [
    route({
      method: 'GET',
      path: '/api/senders',
      tag,
      summary: 'List senders',
      scope: 'senders:read',
      query: pageQuery.extend({ status: z.enum(SENDER_STATUSES).optional() }),
      answers: { 200: page(sender) },
      handle: async (caller, { query }) => ok(await listSenders(db, caller, query)),
    }),
    route({
      method: 'POST',
      path: '/api/senders',
      tag,
      summary: 'Make a sender',
      about: 'What is secret in `config` is encrypted and never shown again.',
      scope: 'senders:write',
      body: newSender,
      answers: { 201: sender },
      handle: async (caller, { body }) => {
        const made = await createSender(db, secrets, adapters, caller, body);
        return created(made, `/api/senders/${made.id}`);
      },
    }),
    route({
      method: 'GET',
      path: '/api/senders/:id',
      tag,
      summary: 'Read a sender',
      scope: 'senders:read',
      params: idParams,
      answers: { 200: sender },
      handle: async (caller, { params }) => ok(await getSender(db, caller, params.id)),
    }),
    route({
      method: 'PATCH',
      path: '/api/senders/:id',
      tag,
      summary: 'Change a sender',
      about: 'Only the fields given change. Messages composed under the old settings are composed again.',
      scope: 'senders:write',
      params: idParams,
      body: patch,
      answers: { 200: sender },
      problems: ['conflict'],
      handle: async (caller, { params, body }) =>
        ok(await updateSender(db, secrets, adapters, caller, params.id, body)),
    }),
    route({
      method: 'DELETE',
      path: '/api/senders/:id',
      tag,
      summary: 'Archive a sender',
      about: 'Its row stays, because what it sent names it. Refused while live sequences send through it.',
      scope: 'senders:write',
      params: idParams,
      answers: { 200: sender },
      problems: ['sender_in_use'],
      handle: async (caller, { params }) => ok(await archiveSender(db, caller, params.id, sequencesUsing)),
    }),
  ];
}

function actions({ db, secrets, adapters }: ApiDeps): Route[] {
  return [
    route({
      method: 'POST',
      path: '/api/senders/:id/archive',
      tag,
      summary: 'Archive a sender, as DELETE does',
      scope: 'senders:write',
      params: idParams,
      answers: { 200: sender },
      problems: ['sender_in_use'],
      handle: async (caller, { params }) => ok(await archiveSender(db, caller, params.id, sequencesUsing)),
    }),
    route({
      method: 'POST',
      path: '/api/senders/:id/verify',
      tag,
      summary: 'Try a sender without sending',
      about:
        'Connects, encrypts, signs in and asks whether mail from the address is taken. The problem lists `checks` too.',
      scope: 'senders:write',
      params: idParams,
      answers: { 200: z.object({ sender, detail: z.string(), checks: z.array(check) }) },
      problems: ['sender_verification_failed', 'conflict'],
      handle: async (caller, { params }) => ok(await verifySender(db, secrets, adapters, caller, params.id)),
    }),
    ...(['pause', 'resume'] as const).map((verb) =>
      route({
        method: 'POST',
        path: `/api/senders/:id/${verb}`,
        tag,
        summary: verb === 'pause' ? 'Stop sending through it, at once' : 'Let the held messages go on',
        scope: 'senders:write',
        params: idParams,
        query: waitQuery,
        body: z.strictObject({ reason: line(500).optional() }),
        answers: { 200: z.object({ sender, receipt }) },
        problems: ['conflict'],
        handle: async (caller, { params, query, body }) => {
          const options = { reason: body.reason, wait_ms: query.wait };
          const done = await turnSender(db, caller, params.id, verb === 'pause', options);
          return ok({ sender: await getSender(db, caller, params.id), receipt: done });
        },
      }),
    ),
  ];
}

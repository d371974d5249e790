/** The shapes of a touch and of what happened to it, as several resources show them. */
import { z } from 'zod';
import { CHANNEL_NAMES, MODES } from '../kernel/channels.ts';
import { NEXT_KINDS } from '../ledger/next-look.ts';
import { EVENT_TYPES, TOUCH_STATES } from '../ledger/states.ts';
import { id, time } from './schemas.ts';

export const touchState = z.enum(TOUCH_STATES);

export const touch = z
  .object({
    id,
    state: touchState,
    enrollment_id: id,
    sequence_id: id,
    version_id: id,
    step_id: id,
    step_no: z.number().int().describe('Position of its step, from 0'),
    generation: z.number().int(),
    n: z.number().int().describe('The how-manieth of its step in this generation'),
    contact_id: id,
    sender_id: id.nullable().describe('null: people do it themselves, or it is a wait'),
    channel: z.enum(CHANNEL_NAMES),
    mode: z.enum(MODES).describe('`human`: it waits for a person'),
    due_at: time.nullable().describe('While planned and not held: when it is to go'),
    next_look_at: time.nullable().describe('While unknown: when its provider is asked next'),
    not_before: time,
    not_after: time.nullable(),
    held_by: z.enum(['sequence', 'sender', 'channel']).nullable(),
    attempt: z.number().int(),
    needs_review: z.boolean().describe('Only a person can tell what became of it'),
    reason: z.string().nullable(),
    provider_id: z.string().nullable(),
    planned_by: z.string(),
    created_at: time,
    gated_at: time.nullable().describe('When it was last let go to its provider'),
    settled_at: time.nullable(),
  })
  .meta({ id: 'Touch' });

const facts = z.record(z.string(), z.unknown());

export const event = z
  .object({
    at: time,
    type: z.enum(EVENT_TYPES),
    reason: z.string().nullable(),
    touch_id: id.nullable(),
    step_id: id.nullable(),
    attempt: z.number().int().nullable(),
    token: id.nullable().describe('The gate that it settles'),
    actor: z.string().nullable(),
    data: facts.nullable().describe('`moved`: from_version and to_version'),
  })
  .meta({ id: 'Event' });

export const explanation = z
  .object({
    touch,
    planned: z.object({
      at: time,
      by: z.string(),
      plan_key: z.string().describe('`enrollment.generation.step.n`: planning it twice gives the same touch'),
      enrollment_id: id,
      sequence: z.object({
        id,
        name: z.string().nullable(),
        version: z.number().int().nullable(),
      }),
      step: z.object({
        id,
        no: z.number().int(),
        name: z.string().nullable(),
        channel: z.string(),
        mode: z.string(),
        delay: facts.nullable(),
        variant: z
          .string()
          .nullable()
          .describe('The arm it was composed with; null until then, or when the step has none'),
        asks: facts
          .nullable()
          .describe('Its conditions and jumps: `when`, `until`, `at_most`, `branches`, `otherwise`, `next`'),
      }),
      sequence_window: facts.nullable(),
      sender_window: facts.nullable(),
      not_before: time,
      not_after: time.nullable(),
      gap_s: z
        .number()
        .nullable()
        .describe('Drawn for it: so long after the message before it of a sender that keeps gaps'),
    }),
    recipient: z
      .object({
        time_zones: z.array(z.string()).describe('Every one of them is possible'),
        known_by: z.enum(['time_zone', 'phone', 'organization']),
        quiet_hours: z
          .array(z.object({ from: z.string(), to: z.string(), source: z.string() }))
          .describe('In each of its time zones; `source`: the organization’s setting, or a law'),
        policy_version: z.number().int(),
      })
      .describe('Where the recipient may be, and when it may not be disturbed, by the rules as they are now'),
    decisions: z
      .array(
        z.object({
          at: time,
          token: id,
          worker: z.string(),
          lease_until: time,
          rules: facts.describe('Version of the settings, quota periods of the sender, day of the contact'),
          values: z.record(z.string(), z.string()).nullable().describe('The values composed in'),
          attempt: z.number().int().nullable(),
          outcome: z.string().nullable(),
          outcome_at: time.nullable(),
          reason: z.string().nullable(),
        }),
      )
      .describe('Each time the gate let it go, with what became of that attempt'),
    events: z.array(event.extend({ says: z.string().nullable().describe('The rule, in words') })),
    provider: z.object({
      name: z.string().nullable(),
      provider_id: z.string().nullable(),
      idempotency_key: z.string(),
      said: z.string().nullable().describe('Its last answer, in its own words'),
      cost: z
        .object({ amount: z.string().describe('A decimal text'), currency: z.string() })
        .nullable()
        .describe('What it says that it took for the message; null: it has not said'),
    }),
    state: z.object({ state: touchState, reason: z.string().nullable(), says: z.string().nullable() }),
    next: z.object({
      kind: z.enum(NEXT_KINDS),
      at: time.nullable(),
      says: z.string(),
      touch_id: id.nullable().describe('What its enrollment waits for now, when that is another touch'),
    }),
  })
  .meta({ id: 'TouchExplanation' });

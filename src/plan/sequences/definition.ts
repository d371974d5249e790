/**
 * What a sequence is made of: the shape clients write, the draft keeps, and a published version freezes. The
 * published form adds nothing, so one reader serves both.
 */
import { z } from 'zod';
import { conditionSchema } from '../../contacts/segments/condition.ts';
import { whatsappTemplateSchema } from '../../content/whatsapp-template.ts';
import { CHANNEL_NAMES, MODES, type Mode } from '../../kernel/channels.ts';
import { DELAY_UNITS, MAX_DELAY_DAYS } from '../../schedule/delay.ts';
import { WEEKDAYS } from '../../schedule/window.ts';
import { eventRules } from './event-rules.ts';

export const MAX_STEPS = 100;
const MAX_SENDERS = 50;
const MAX_SUBJECT = 998;
const MAX_BODY = 200_000;
const MAX_URL = 2_000;
const MAX_VARIANTS = 10;
const MAX_WEIGHT = 1_000_000;
const MAX_SAMPLE = 10_000_000;
const MAX_BRANCHES = 20;

const timeOfDay = z.string().regex(/^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$/, 'a time HH:MM');

export const windowSchema = z.strictObject({
  days: z.array(z.enum(WEEKDAYS)).min(1),
  from: timeOfDay,
  to: timeOfDay,
  time_zone: z.string().max(64).optional(),
});
export type SendingWindow = z.infer<typeof windowSchema>;

export const delaySchema = z.strictObject({
  amount: z
    .int()
    .min(0)
    .max(MAX_DELAY_DAYS * 24 * 60),
  unit: z.enum(DELAY_UNITS),
});

/** A step's own name for itself, by which others jump to it. */
const stepKey = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, 'letters a to z, digits, - and _');
const jump = stepKey.describe('The key of a step further on, or `end`');

/** What a step says, or an arm of it. */
const contentFields = {
  /** Empty on a follow-up: it answers in the thread of the e-mail before it, with `Re:`. Any other opens a thread. */
  subject: z.string().max(MAX_SUBJECT).optional(),
  body_text: z
    .string()
    .max(MAX_BODY)
    .optional()
    .describe('The text of an e-mail, SMS or chat message; for people, what to say or do'),
  body_html: z.string().max(MAX_BODY).optional(),
  template: whatsappTemplateSchema
    .optional()
    .describe('For WhatsApp: an approved template, and what fills its placeholders'),
};

/** An arm of a step [SEQ-14]. How many there must be, their keys and weights are looked at when it is published. */
export const variantSchema = z.strictObject({
  key: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$/, 'letters, digits, - and _, at most 40')
    .describe('Its name: an arm that keeps its key keeps its contacts and its numbers'),
  weight: z.number().max(MAX_WEIGHT).default(1).describe('Its share, beside those of the others'),
  ...contentFields,
});
export type Variant = z.infer<typeof variantSchema>;

/** What an arm wins by: of the people it was sent to, how many did that. */
export const WINS_BY = ['replied', 'clicked', 'opened', 'goal'] as const;
export type WinsBy = (typeof WINS_BY)[number];

export const winnerSchema = z.strictObject({
  by: z.enum(WINS_BY),
  minimum_sample: z
    .int()
    .min(1)
    .max(MAX_SAMPLE)
    .describe('People that each arm must have been sent to before anything is decided'),
  confidence: z
    .number()
    .min(0.5)
    .max(0.9999)
    .default(0.95)
    .describe('How sure it must be that the winner is better, over all looks together'),
  margin: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe('By how much its rate must be above each other: 0.02 is two of a hundred people'),
});
export type WinnerRule = z.infer<typeof winnerSchema>;

export const stepSchema = z.strictObject({
  id: z.uuid().optional(),
  key: stepKey.optional().describe('Unique in its sequence; `next` and branches name it'),
  channel: z.enum(CHANNEL_NAMES),
  mode: z
    .enum(MODES)
    .optional()
    .describe('Absent: `automatic` where a program can send it, `human` where only people can'),
  delay: delaySchema.default({ amount: 0, unit: 'minutes' }),
  name: z.string().max(200).optional(),
  ...contentFields,
  url: z
    .url({ protocol: /^https?$/ })
    .max(MAX_URL)
    .optional()
    .describe('For a webhook: who is called'),
  payload: z
    .record(z.string().max(100), z.unknown())
    .optional()
    .describe('For a webhook: JSON whose texts are templates; ids of touch, contact and step go beside it'),
  variants: z
    .array(variantSchema)
    .max(MAX_VARIANTS)
    .optional()
    .describe('Arms that are tried against each other; what one says replaces what the step says'),
  winner: winnerSchema.optional().describe('When an arm is declared winner by itself; absent: people do'),
  when: conditionSchema
    .optional()
    .describe('Looked at when the step is due: where it does not hold, the step is passed over'),
  next: jump.optional().describe('What comes after this step, where it is not the next of the list'),
  until: conditionSchema
    .optional()
    .describe('For a wait: it is over as soon as this holds, and after `at_most` in any case'),
  at_most: delaySchema.optional().describe('For a wait with `until`: how long, from its beginning'),
  branches: z
    .array(z.strictObject({ when: conditionSchema, go_to: jump }))
    .min(1)
    .max(MAX_BRANCHES)
    .optional()
    .describe('For a wait that decides: the first arm that holds says what comes next'),
  otherwise: jump
    .optional()
    .describe('For a wait that decides: what comes next when no arm holds; absent: the next of the list'),
});

export const reenrollSchema = z.discriminatedUnion('policy', [
  z.strictObject({ policy: z.literal('never') }),
  z.strictObject({ policy: z.literal('if_ended') }),
  z.strictObject({ policy: z.literal('after_days'), days: z.int().min(1).max(3650) }),
]);

/**
 * What an unsubscribe from a channel does to enrollments with remaining steps on it [CON-4]: ends them, or skips these
 * steps. Versions published before there was a choice do not have it; they end.
 */
export const ON_UNSUBSCRIBE = ['end', 'skip_steps'] as const;

/** What a reply does to the enrollment it answers [INB-2]. Absent: `pause`. */
export const ON_REPLY = ['pause', 'exit', 'ignore'] as const;
/** Whose enrollments in the sequence: the contact's, or those of colleagues too. Absent: `contact`. */
export const ON_REPLY_SCOPES = ['contact', 'company'] as const;
/** A contact lives in at most one sequence of a group at a time. */
export const exclusiveGroupSchema = z
  .string()
  .trim()
  .min(1)
  .max(100)
  .describe('A contact that lives in another sequence of this group is not enrolled');

/** At most so many new enrollments begin on one day of the organization; the rest begin on the days after. */
export const intakeSchema = z.strictObject({ per_day: z.int().min(1).max(1_000_000) });

export const definitionSchema = z.strictObject({
  sender_ids: z.array(z.uuid()).max(MAX_SENDERS).default([]),
  window: windowSchema.optional(),
  time_zone: z.string().max(64).optional(),
  reenroll: reenrollSchema.default({ policy: 'never' }),
  on_unsubscribe: z.enum(ON_UNSUBSCRIBE).default('end'),
  goals: eventRules
    .optional()
    .describe('An enrollment that began before such an event ends with `exited`, and counts as converted'),
  exits: eventRules.optional().describe('The same, without counting'),
  enroll_on: eventRules
    .optional()
    .describe('Such an event enrols its contact, if the rules of enrolling let it'),
  on_reply: z
    .enum(ON_REPLY)
    .optional()
    .describe('What a reply does to the enrollment it answers; default `pause`'),
  on_reply_scope: z
    .enum(ON_REPLY_SCOPES)
    .optional()
    .describe(
      '`company`: to enrollments of colleagues too, by the company of the contact or a domain of their own; default `contact`',
    ),
  exclusive_group: exclusiveGroupSchema.optional(),
  intake: intakeSchema
    .optional()
    .describe(
      'How many new enrollments begin a day; the first touches of the rest are planned on the days after',
    ),
  steps: z.array(stepSchema).max(MAX_STEPS).default([]),
});

export type SequenceDraft = z.infer<typeof definitionSchema>;
export type Step = Omit<z.infer<typeof stepSchema>, 'id' | 'mode'> & { id: string; mode: Mode };
export type Definition = Omit<SequenceDraft, 'steps'> & { steps: Step[] };

/**
 * What a sequence is made of: the shape clients write, the draft keeps, and a published version freezes. The
 * published form adds nothing, so one reader serves both.
 */
import { z } from 'zod';
import { whatsappTemplateSchema } from '../../content/whatsapp-template.ts';
import { CHANNEL_NAMES, MODES, type Mode } from '../../kernel/channels.ts';
import { DELAY_UNITS, MAX_DELAY_DAYS } from '../../schedule/delay.ts';
import { WEEKDAYS } from '../../schedule/window.ts';

export const MAX_STEPS = 100;
const MAX_SENDERS = 50;
const MAX_SUBJECT = 998;
const MAX_BODY = 200_000;
const MAX_URL = 2_000;

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

export const stepSchema = z.strictObject({
  id: z.uuid().optional(),
  channel: z.enum(CHANNEL_NAMES),
  mode: z
    .enum(MODES)
    .optional()
    .describe('Absent: `automatic` where a program can send it, `human` where only people can'),
  delay: delaySchema.default({ amount: 0, unit: 'minutes' }),
  name: z.string().max(200).optional(),
  /** Empty on a follow-up: it answers in the thread of the first e-mail, with `Re:`. */
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
  url: z
    .url({ protocol: /^https?$/ })
    .max(MAX_URL)
    .optional()
    .describe('For a webhook: who is called'),
  payload: z
    .record(z.string().max(100), z.unknown())
    .optional()
    .describe('For a webhook: JSON whose texts are templates; ids of touch, contact and step go beside it'),
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

export const definitionSchema = z.strictObject({
  sender_ids: z.array(z.uuid()).max(MAX_SENDERS).default([]),
  window: windowSchema.optional(),
  time_zone: z.string().max(64).optional(),
  reenroll: reenrollSchema.default({ policy: 'never' }),
  on_unsubscribe: z.enum(ON_UNSUBSCRIBE).default('end'),
  steps: z.array(stepSchema).max(MAX_STEPS).default([]),
});

export type SequenceDraft = z.infer<typeof definitionSchema>;
export type Step = Omit<z.infer<typeof stepSchema>, 'id' | 'mode'> & { id: string; mode: Mode };
export type Definition = Omit<SequenceDraft, 'steps'> & { steps: Step[] };

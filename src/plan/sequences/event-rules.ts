/**
 * Rules over contact events, as settings of a sequence: its goals and exits, and the events that enrol [SEQ-10, SEQ-11].
 * Pure: a rule and an event, yes or no.
 */
import { z } from 'zod';

const MAX_RULES = 50;
const MAX_VALUES = 100;
const MAX_TEXT = 200;

const scalar = z.union([z.string().max(MAX_TEXT), z.number(), z.boolean()]);

const condition = z
  .union([
    scalar,
    z.array(scalar).min(1).max(MAX_VALUES),
    z
      .strictObject({ min: z.number().optional(), max: z.number().optional() })
      .refine((range) => range.min !== undefined || range.max !== undefined, 'needs min or max'),
  ])
  .describe('A value, several of which one must fit, or a range of numbers');

export const eventRuleSchema = z
  .strictObject({
    event: z
      .string()
      .regex(/^[a-z0-9][a-z0-9_.:-]{0,98}\*?$/)
      .describe('A name as in `POST /api/events`; with `*` at its end, every name that begins so'),
    name: z.string().trim().min(1).max(100).optional().describe('What reports call it; default the event'),
    stages: z
      .array(z.string().min(1).max(MAX_TEXT))
      .min(1)
      .max(MAX_VALUES)
      .optional()
      .describe('Of a deal: only when it comes to one of these, in any spelling of case'),
    where: z
      .record(z.string().min(1).max(100), condition)
      .optional()
      .describe('Only when all these properties of the event fit'),
  })
  .meta({ id: 'EventRule' });
export type EventRule = z.infer<typeof eventRuleSchema>;

export const eventRules = z.array(eventRuleSchema).max(MAX_RULES);

/** What a rule reads of an event. */
export interface EventFacts {
  name: string;
  properties: Record<string, unknown>;
}

export function fits(rule: EventRule, event: EventFacts): boolean {
  const { name, properties } = event;
  const named = rule.event.endsWith('*') ? name.startsWith(rule.event.slice(0, -1)) : name === rule.event;
  if (!named) return false;
  if (rule.stages !== undefined && !rule.stages.some((stage) => equal(stage, properties.stage))) return false;
  return Object.entries(rule.where ?? {}).every(([key, wanted]) =>
    holds(wanted, Object.hasOwn(properties, key) ? properties[key] : undefined),
  );
}

/** What it is called where it ended or began something. */
export function labelOf(rule: EventRule, event: EventFacts): string {
  return rule.name ?? event.name;
}

function holds(wanted: z.infer<typeof condition>, value: unknown): boolean {
  if (Array.isArray(wanted)) return wanted.some((one) => equal(one, value));
  if (typeof wanted !== 'object') return equal(wanted, value);
  if (typeof value !== 'number') return false;
  return value >= (wanted.min ?? -Infinity) && value <= (wanted.max ?? Infinity);
}

/** People write `Won` and `won`; numbers and truth values are compared as they are. */
function equal(wanted: string | number | boolean, value: unknown): boolean {
  if (typeof wanted !== 'string' || typeof value !== 'string') return wanted === value;
  return wanted.trim().toLowerCase() === value.trim().toLowerCase();
}

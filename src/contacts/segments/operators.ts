/**
 * Which operators fit which type, and what value each takes: the one table that the check and the documentation read.
 * Text is compared without regard to case, `external_id` letter by letter. A day is a day in UTC.
 */
import type { AttributeType } from '../attribute-value.ts';

/** The types of attributes, and `time`: a moment, as `created_at` is. */
export type ValueType = AttributeType | 'time';

/** Fields of a contact that conditions may name. */
export const FIELD_TYPES = {
  external_id: 'text',
  first_name: 'text',
  last_name: 'text',
  company: 'text',
  title: 'text',
  email: 'text',
  phone: 'text',
  whatsapp: 'text',
  linkedin: 'text',
  telegram: 'text',
  locale: 'text',
  time_zone: 'text',
  created_at: 'time',
  updated_at: 'time',
} as const satisfies Record<string, ValueType>;
export type ContactField = keyof typeof FIELD_TYPES;
export const CONTACT_FIELDS = Object.keys(FIELD_TYPES) as [ContactField, ...ContactField[]];

/** none: no value. same: one of the type. list: several of the type. days: a number of days from now. */
type Takes = 'none' | 'same' | 'list' | 'days';

interface OperatorFacts {
  takes: Takes;
  fits: readonly ValueType[];
}

export const OPERATOR_FACTS = {
  is: { takes: 'same', fits: ['text', 'number', 'boolean', 'date'] },
  is_not: { takes: 'same', fits: ['text', 'number', 'boolean', 'date'] },
  in: { takes: 'list', fits: ['text', 'number', 'date'] },
  contains: { takes: 'same', fits: ['text'] },
  starts_with: { takes: 'same', fits: ['text'] },
  ends_with: { takes: 'same', fits: ['text'] },
  greater_than: { takes: 'same', fits: ['number'] },
  less_than: { takes: 'same', fits: ['number'] },
  before: { takes: 'same', fits: ['date', 'time'] },
  after: { takes: 'same', fits: ['date', 'time'] },
  in_last_days: { takes: 'days', fits: ['date', 'time'] },
  in_next_days: { takes: 'days', fits: ['date'] },
  is_set: { takes: 'none', fits: ['text', 'number', 'boolean', 'date', 'time'] },
  is_not_set: { takes: 'none', fits: ['text', 'number', 'boolean', 'date', 'time'] },
} as const satisfies Record<string, OperatorFacts>;
export type Operator = keyof typeof OPERATOR_FACTS;
export const OPERATORS = Object.keys(OPERATOR_FACTS) as [Operator, ...Operator[]];

export function fits(op: Operator, type: ValueType): boolean {
  return (OPERATOR_FACTS[op].fits as readonly ValueType[]).includes(type);
}

export function operatorsOf(type: ValueType): Operator[] {
  return OPERATORS.filter((op) => fits(op, type));
}

/** Does a condition fit what the organization knows: its attributes and their types, and where it stands? */
import { z } from 'zod';
import type { FieldError } from '../../kernel/problem.ts';
import { type AttributeType, readAttribute } from '../attribute-value.ts';
import type { Condition, ConditionValue, EventCondition, Leaf } from './condition.ts';
import {
  FIELD_TYPES,
  fits,
  OPERATOR_FACTS,
  type Operator,
  operatorsOf,
  type ValueType,
} from './operators.ts';

export interface Known {
  attributes: ReadonlyMap<string, AttributeType>;
  /**
   * Ids and keys of the steps whose answers may be asked for with `of`. Absent: the condition stands outside of any enrollment (a
   * segment), and `of` is refused.
   */
  steps?: ReadonlySet<string> | undefined;
}

const MAX_DAYS = 3_650;

/** Everything wrong with it, each at its path under `at`; empty: conditionSql() takes it. */
export function checkCondition(condition: Condition, known: Known, at = 'condition'): FieldError[] {
  if ('all' in condition)
    return condition.all.flatMap((one, i) => checkCondition(one, known, `${at}.all[${i}]`));
  if ('any' in condition)
    return condition.any.flatMap((one, i) => checkCondition(one, known, `${at}.any[${i}]`));
  if ('not' in condition) return checkCondition(condition.not, known, `${at}.not`);
  return checkLeaf(condition, known, at);
}

function checkLeaf(leaf: Leaf, known: Known, at: string): FieldError[] {
  if ('field' in leaf) return checkOperator(leaf.op, leaf.value, FIELD_TYPES[leaf.field], at);
  if ('event' in leaf) return checkScope(leaf, known, at);
  if (!('attribute' in leaf)) return [];
  const type = known.attributes.get(leaf.attribute);
  if (type !== undefined) return checkOperator(leaf.op, leaf.value, type, at);
  const message = `There is no attribute ${leaf.attribute}; define it under /api/attributes.`;
  return [{ field: `${at}.attribute`, code: 'unknown_attribute', message }];
}

function checkOperator(
  op: Operator,
  value: ConditionValue | undefined,
  type: ValueType,
  at: string,
): FieldError[] {
  if (!fits(op, type)) {
    const message = `${op} does not fit a ${type}; it has ${operatorsOf(type).join(', ')}.`;
    return [{ field: `${at}.op`, code: 'wrong_operator', message }];
  }
  const wrong = (message: string) => [{ field: `${at}.value`, code: 'wrong_value', message }];
  const { takes } = OPERATOR_FACTS[op];
  if (takes === 'none') return value === undefined ? [] : wrong(`${op} takes no value.`);
  if (value === undefined) return wrong(`${op} takes a value.`);
  if (takes === 'days')
    return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MAX_DAYS
      ? []
      : wrong(`${op} takes a whole number of days, 1 to ${MAX_DAYS}.`);
  if (takes === 'list') {
    if (!Array.isArray(value)) return wrong(`${op} takes a list of values.`);
    return value.flatMap((one, i) =>
      isOf(type, one)
        ? []
        : [{ field: `${at}.value[${i}]`, code: 'wrong_value', message: `It must be ${SPELLED[type]}.` }],
    );
  }
  return isOf(type, value) ? [] : wrong(`It must be ${SPELLED[type]}.`);
}

const SPELLED: Record<ValueType, string> = {
  text: 'text',
  number: 'a number',
  boolean: 'true or false',
  date: 'a day such as 2026-03-09',
  time: 'a day such as 2026-03-09 or a time such as 2026-03-09T08:00:00Z',
};

const moment = z.iso.datetime({ offset: true });

function isOf(type: ValueType, value: ConditionValue): boolean {
  if (Array.isArray(value)) return false;
  if (type === 'date') return isDay(value);
  if (type === 'time') return isDay(value) || isMoment(value);
  return typeof value === (type === 'text' ? 'string' : type);
}

/** PostgreSQL has no year 0. */
function isMoment(value: ConditionValue): boolean {
  return typeof value === 'string' && !value.startsWith('0000') && moment.safeParse(value).success;
}

function isDay(value: ConditionValue): boolean {
  return (
    typeof value === 'string' &&
    value.length === 10 &&
    !value.startsWith('0000') &&
    readAttribute('date', value) === value
  );
}

function checkScope({ of }: EventCondition, { steps }: Known, at: string): FieldError[] {
  if (of === undefined) return [];
  const refuse = (message: string) => [{ field: `${at}.of`, code: 'wrong_scope', message }];
  if (steps === undefined) return refuse('Only a condition inside a sequence can ask for its own messages.');
  if (of === 'enrollment') return [];
  const name = of.slice('step:'.length).toLowerCase();
  return steps.has(name)
    ? []
    : refuse(`No step before this one has the key "${name}"; give that step the key.`);
}

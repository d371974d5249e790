/**
 * A condition as one SQL expression over a row of contacts. What is missing is never equal to anything: a leaf is true
 * or not, and `not` is everything else; so NULL counts as false, as WHERE reads it, and a SELECT must write
 * `(…) IS TRUE`. Negation is pushed down to the leaves, so that a leaf that is not negated stands bare and an index
 * can serve it.
 */
import { type Sql, sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { invariant } from '../../kernel/invariant.ts';
import { normalizeTag } from '../tag.ts';
import type {
  AttributeCondition,
  Condition,
  ConditionValue,
  EventCondition,
  EventScope,
  FieldCondition,
  Leaf,
} from './condition.ts';
import type { ContactField } from './operators.ts';

export interface ConditionRow {
  org: Uuid;
  /** The alias of the row of `contacts`: sql`c`. */
  contact: Sql;
  /** The alias of a row with `id` and `generation` of an enrollment. Without it a condition with `of` is a mistake. */
  enrollment?: Sql | undefined;
  /**
   * Many contacts are asked about, as in a list: what has to be counted is then counted once for all (50,000 contacts in
   * 450 ms, one at a time), which for a single contact would be a waste.
   */
  many?: boolean | undefined;
  /** A timestamptz; the clock of the database when absent. */
  now?: Sql | undefined;
  /** From when on an event counts that says no `within_days`; absent: from ever. */
  since?: Sql | undefined;
}

/** `condition` has passed checkCondition(). */
export function conditionSql(condition: Condition, row: ConditionRow): Sql {
  return compile(condition, row, false);
}

function compile(condition: Condition, row: ConditionRow, negated: boolean): Sql {
  if ('not' in condition) return compile(condition.not, row, !negated);
  const all = 'all' in condition ? condition.all : null;
  const any = 'any' in condition ? condition.any : null;
  const parts = (all ?? any)?.map((one) => compile(one, row, negated));
  if (parts !== undefined) {
    // De Morgan: not (a and b) is (not a) or (not b).
    const joined = (all !== null) !== negated ? joinAnd(parts) : joinOr(parts);
    return sql`(${joined})`;
  }
  const expression = leafSql(condition as Leaf, row);
  return negated ? sql`((${expression}) IS NOT TRUE)` : sql`(${expression})`;
}

function joinAnd(parts: readonly Sql[]): Sql {
  return parts.reduce((left, right) => sql`${left} AND ${right}`);
}

function joinOr(parts: readonly Sql[]): Sql {
  return parts.reduce((left, right) => sql`${left} OR ${right}`);
}

function leafSql(leaf: Leaf, row: ConditionRow): Sql {
  const { org, contact } = row;
  if ('field' in leaf) return fieldSql(leaf, row);
  if ('attribute' in leaf) return attributeSql(leaf, row);
  if ('event' in leaf) return eventSql(leaf, row);
  if ('tag' in leaf)
    return sql`EXISTS (SELECT 1 FROM contact_tags t WHERE t.org_id = ${org} AND t.tag = ${normalizeTag(leaf.tag) ?? leaf.tag} AND t.contact_id = ${contact}.id)`;
  if ('suppressed' in leaf)
    return sql`EXISTS (SELECT 1 FROM suppressions s WHERE s.org_id = ${org} AND s.kind = ${leaf.suppressed} AND s.address = ${ADDRESS[leaf.suppressed](contact)})`;
  const consents = sql`FROM consents k WHERE k.org_id = ${org} AND k.contact_id = ${contact}.id AND k.channel = ${leaf.consent}`;
  if (leaf.status === 'none') return sql`NOT EXISTS (SELECT 1 ${consents})`;
  return sql`(SELECT k.status ${consents} ORDER BY k.id DESC LIMIT 1) = ${leaf.status}`;
}

const ADDRESS = {
  email: (c: Sql) => sql`${c}.email`,
  phone: (c: Sql) => sql`${c}.phone`,
  whatsapp: (c: Sql) => sql`${c}.whatsapp`,
  telegram: (c: Sql) => sql`${c}.telegram`,
} as const;

/** A text with which values are compared: `folded` is lower-cased where case does not count. */
interface Column {
  folded: Sql;
  exact?: boolean;
}

/** Columns that have an index, or are kept in one spelling, are compared as they are. */
const COLUMNS: Record<Exclude<ContactField, 'created_at' | 'updated_at'>, (c: Sql) => Column> = {
  external_id: (c) => ({ folded: sql`${c}.external_id`, exact: true }),
  first_name: (c) => ({ folded: sql`lower(${c}.first_name)` }),
  last_name: (c) => ({ folded: sql`${c}.search_last_name` }),
  company: (c) => ({ folded: sql`${c}.search_company` }),
  title: (c) => ({ folded: sql`lower(${c}.title)` }),
  email: (c) => ({ folded: sql`${c}.email` }),
  phone: (c) => ({ folded: sql`${c}.phone` }),
  whatsapp: (c) => ({ folded: sql`${c}.whatsapp` }),
  linkedin: (c) => ({ folded: sql`lower(${c}.linkedin)` }),
  telegram: (c) => ({ folded: sql`lower(${c}.telegram)` }),
  locale: (c) => ({ folded: sql`lower(${c}.locale)` }),
  time_zone: (c) => ({ folded: sql`lower(${c}.time_zone)` }),
};

function fieldSql({ field, op, value }: FieldCondition, row: ConditionRow): Sql {
  if (field !== 'created_at' && field !== 'updated_at')
    return textSql(COLUMNS[field](row.contact), op, value);
  const column = field === 'created_at' ? sql`${row.contact}.created_at` : sql`${row.contact}.updated_at`;
  if (op === 'in_last_days') return sql`${column} >= ${daysAgo(Number(value), row)}`;
  const day = String(value).length === 10;
  const at = new Date(day ? `${value}T00:00:00Z` : String(value));
  if (op === 'before') return sql`${column} < ${at}::timestamptz`;
  if (op === 'after')
    return day
      ? sql`${column} >= ${new Date(at.getTime() + DAY_MS)}::timestamptz`
      : sql`${column} > ${at}::timestamptz`;
  return op === 'is_set' ? sql`${column} IS NOT NULL` : sql`${column} IS NULL`;
}

const DAY_MS = 86_400_000;

function clock({ now }: ConditionRow): Sql {
  return now ?? sql`now()`;
}

function daysAgo(days: number, row: ConditionRow): Sql {
  return sql`${clock(row)} - make_interval(hours => 24 * ${days}::int)`;
}

function textSql(
  { folded, exact }: Column,
  op: FieldCondition['op'],
  value: ConditionValue | undefined,
): Sql {
  const fold = (given: ConditionValue | undefined) =>
    exact ? sql`${String(given)}::text` : sql`lower(${String(given)}::text)`;
  switch (op) {
    case 'is':
      return sql`${folded} = ${fold(value)}`;
    case 'is_not':
      return sql`(${folded} = ${fold(value)}) IS NOT TRUE`;
    case 'in':
      return exact
        ? sql`${folded} = ANY (${listOf(value)}::text[])`
        : sql`${folded} = ANY (ARRAY(SELECT lower(v) FROM unnest(${listOf(value)}::text[]) v))`;
    case 'contains':
      return sql`strpos(${folded}, ${fold(value)}) > 0`;
    case 'starts_with':
      return sql`starts_with(${folded}, ${fold(value)})`;
    case 'ends_with':
      return sql`right(${folded}, length(${fold(value)})) = ${fold(value)}`;
    case 'is_set':
      return sql`${folded} <> ''`;
    case 'is_not_set':
      return sql`(${folded} <> '') IS NOT TRUE`;
    default:
      invariant(false, `${op} is no operator of text`);
  }
}

function listOf(value: ConditionValue | undefined): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

/** The type need not be looked up: operator and value tell it, and checkCondition() has compared them with it. */
function attributeSql({ attribute, op, value }: AttributeCondition, row: ConditionRow): Sql {
  const json = sql`${row.contact}.attributes -> ${attribute}::text`;
  const text = sql`(${row.contact}.attributes ->> ${attribute}::text)`;
  if (op === 'before' || op === 'after' || op === 'in_last_days' || op === 'in_next_days')
    return daySql(text, op, value, row);
  // A value that is no number compares with none, whatever wrote it.
  const number = sql`CASE WHEN jsonb_typeof(${json}) = 'number' THEN (${json})::numeric END`;
  if (op === 'greater_than') return sql`${number} > ${String(value)}::numeric`;
  if (op === 'less_than') return sql`${number} < ${String(value)}::numeric`;
  if (op === 'in' && listIsOfNumbers(value)) return sql`${number} = ANY (${listOf(value)}::numeric[])`;
  if ((op === 'is' || op === 'is_not') && typeof value !== 'string') {
    const same =
      typeof value === 'number'
        ? sql`${number} = ${String(value)}::numeric`
        : sql`${json} = ${JSON.stringify(value)}::jsonb`;
    return op === 'is' ? same : sql`(${same}) IS NOT TRUE`;
  }
  return textSql({ folded: sql`lower${text}` }, op, value);
}

function listIsOfNumbers(value: ConditionValue | undefined): boolean {
  return Array.isArray(value) && typeof value[0] === 'number';
}

/** Days are kept as `2026-03-09`, whose order as bytes is their order in time. */
function daySql(
  text: Sql,
  op: 'before' | 'after' | 'in_last_days' | 'in_next_days',
  value: ConditionValue | undefined,
  row: ConditionRow,
): Sql {
  const day = sql`${text} COLLATE "C"`;
  if (op === 'before') return sql`${day} < ${String(value)}`;
  if (op === 'after') return sql`${day} > ${String(value)}`;
  const today = sql`(${clock(row)} AT TIME ZONE 'UTC')::date`;
  const days = sql`${Number(value)}::int`;
  return op === 'in_last_days'
    ? sql`${day} BETWEEN to_char(${today} - ${days}, 'YYYY-MM-DD') AND to_char(${today}, 'YYYY-MM-DD')`
    : sql`${day} BETWEEN to_char(${today}, 'YYYY-MM-DD') AND to_char(${today} + ${days}, 'YYYY-MM-DD')`;
}

function eventSql({ event, within_days, at_least, where, of }: EventCondition, row: ConditionRow): Sql {
  const since = sinceSql(within_days, row);
  const matching = where === undefined ? sql`` : sql`AND e.properties @> ${JSON.stringify(where)}::jsonb`;
  const told = sql`FROM contact_events e WHERE e.org_id = ${row.org} AND e.name = ${event} ${since} ${matching} ${scopeSql(of, row)}`;
  const times = at_least ?? 1;
  if (times > 1 && row.many)
    return sql`${row.contact}.id IN (SELECT e.contact_id ${told} GROUP BY e.contact_id HAVING count(*) >= ${times})`;
  const own = sql`SELECT 1 ${told} AND e.contact_id = ${row.contact}.id`;
  return times === 1
    ? sql`EXISTS (${own})`
    : sql`(SELECT count(*) FROM (${own} LIMIT ${times}) n) = ${times}`;
}

function sinceSql(days: number | undefined, row: ConditionRow): Sql {
  if (days !== undefined) return sql`AND e.at >= ${daysAgo(days, row)}`;
  return row.since === undefined ? sql`` : sql`AND e.at >= ${row.since}`;
}

function scopeSql(of: EventScope | undefined, { org, enrollment }: ConditionRow): Sql {
  if (of === undefined) return sql``;
  invariant(enrollment !== undefined, 'a condition with `of` stands in a sequence');
  const step = of === 'enrollment' ? sql`` : sql`AND t.step_id = ${of.slice('step:'.length)}::uuid`;
  // Of this time through the sequence: a restart begins a new generation, and what came before it is not asked for.
  return sql`AND EXISTS (SELECT 1 FROM touches t WHERE t.org_id = ${org} AND t.id = e.touch_id
    AND t.source_id = ${enrollment}.id AND t.generation = ${enrollment}.generation ${step})`;
}

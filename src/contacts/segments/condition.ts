/**
 * The language in which contacts are chosen: what a segment saves and what a branch of a sequence asks. A condition is
 * JSON, so that it can be stored, shown and written by programs:
 *
 *   {all: […]} {any: […]} {not: …}
 *   {field: 'company', op: 'contains', value: 'GmbH'}          a field of the contact
 *   {attribute: 'plan', op: 'is', value: 'pro'}                a custom attribute; its type decides which operators fit
 *   {tag: 'vip'}
 *   {event: 'deal.created', within_days: 30, at_least: 2, where: {stage: 'won'}}
 *   {event: 'opened', of: 'enrollment' | 'step:<key>'}         in answer to this enrollment; branches only
 *   {consent: 'email', status: 'granted' | 'revoked' | 'none'}
 *   {suppressed: 'email'}                                      nothing may be sent to the contact's address
 *
 * Here: its shape and its limits. In: whatever a client sent. Out: a Condition that fits the shape; whether its
 * operators fit the types is check-condition.ts, and what it means is condition-sql.ts.
 */
import { z } from 'zod';
import {
  CONSENT_CHANNELS,
  type ConsentChannel,
  SUPPRESSION_KINDS,
  type SuppressionKind,
} from '../../kernel/channels.ts';
import { MAX_TAG_LENGTH } from '../tag.ts';
import { CONTACT_FIELDS, type ContactField, OPERATORS, type Operator } from './operators.ts';

/** How deep groups may lie in each other, and how many conditions and groups there may be in all. */
export const MAX_DEPTH = 8;
export const MAX_CONDITIONS = 100;
/** Values of one `in`, and characters of one value. */
export const MAX_VALUES = 1_000;
export const MAX_VALUE_LENGTH = 1_000;
const MAX_DAYS = 3_650;
const MAX_TIMES = 1_000;
const MAX_PROPERTIES = 20;

export type Scalar = string | number | boolean;
export type ConditionValue = Scalar | readonly (string | number)[];

export const CONSENT_STATES = ['granted', 'revoked', 'none'] as const;

/** The messages of one enrollment, or of one step of it. */
export type EventScope = 'enrollment' | `step:${string}`;

export interface FieldCondition {
  field: ContactField;
  op: Operator;
  value?: ConditionValue | undefined;
}
export interface AttributeCondition {
  attribute: string;
  op: Operator;
  value?: ConditionValue | undefined;
}
export interface EventCondition {
  event: string;
  within_days?: number | undefined;
  at_least?: number | undefined;
  where?: Record<string, Scalar> | undefined;
  of?: EventScope | undefined;
}
export type Leaf =
  | FieldCondition
  | AttributeCondition
  | { tag: string }
  | EventCondition
  | { consent: ConsentChannel; status: (typeof CONSENT_STATES)[number] }
  | { suppressed: SuppressionKind };
export type Condition = { all: Condition[] } | { any: Condition[] } | { not: Condition } | Leaf;

/** What neither text nor jsonb of PostgreSQL can hold: the character zero, and halves of surrogate pairs. */
const UNSTORABLE = /[\0\ud800-\udfff]/u;

const text = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .refine((value) => !UNSTORABLE.test(value), 'has a character that cannot be stored');

const scalar = z.union([text(MAX_VALUE_LENGTH), z.number(), z.boolean()], {
  error: `text of 1 to ${MAX_VALUE_LENGTH} characters, a number, true or false`,
});
const value = z.union(
  [
    scalar,
    z
      .array(z.union([text(MAX_VALUE_LENGTH), z.number()]))
      .min(1)
      .max(MAX_VALUES),
  ],
  { error: `text, a number, true or false; with \`in\` a list of 1 to ${MAX_VALUES} texts or numbers` },
);

const scope = z
  .string()
  .regex(/^(enrollment|step:[a-z0-9][a-z0-9_-]{0,63})$/i, '`enrollment` or `step:` and the key of a step');

/** Each kind of condition by the key that names it. */
const LEAVES = {
  field: z.strictObject({ field: z.enum(CONTACT_FIELDS), op: z.enum(OPERATORS), value: value.optional() }),
  attribute: z.strictObject({ attribute: text(63), op: z.enum(OPERATORS), value: value.optional() }),
  tag: z.strictObject({ tag: text(MAX_TAG_LENGTH) }),
  event: z.strictObject({
    event: z.string().regex(/^[a-z0-9][a-z0-9_.:-]{0,99}$/, 'the name of an event, such as `deal.created`'),
    within_days: z.int().min(1).max(MAX_DAYS).optional(),
    at_least: z.int().min(1).max(MAX_TIMES).optional(),
    where: z
      .record(text(100), scalar)
      .refine(
        (properties) => Object.keys(properties).length <= MAX_PROPERTIES,
        `at most ${MAX_PROPERTIES} properties`,
      )
      .optional(),
    of: scope.optional(),
  }),
  consent: z.strictObject({ consent: z.enum(CONSENT_CHANNELS), status: z.enum(CONSENT_STATES) }),
  suppressed: z.strictObject({ suppressed: z.enum(SUPPRESSION_KINDS) }),
} as const;

const GROUPS = ['all', 'any', 'not'] as const;
type Group = (typeof GROUPS)[number];
type Kind = Group | keyof typeof LEAVES;
const KINDS = [...GROUPS, ...Object.keys(LEAVES)] as Kind[];

function isGroup(kind: Kind): kind is Group {
  return (GROUPS as readonly Kind[]).includes(kind);
}

type Issue = Partial<z.core.$ZodIssue> & { path: PropertyKey[]; message: string };

/**
 * What is wrong with it. Hand-written where a union would do, because a union that fits nowhere says so at its root:
 * here each mistake is named at its own place, all at once. `count` counts on over all of them.
 */
function issuesOf(node: unknown, path: PropertyKey[], depth: number, count: { nodes: number }): Issue[] {
  const wrong = (message: string, at: PropertyKey[] = path): Issue[] => [
    { code: 'custom', path: at, message },
  ];
  count.nodes++;
  if (count.nodes === MAX_CONDITIONS + 1) return wrong(`at most ${MAX_CONDITIONS} conditions and groups`, []);
  if (count.nodes > MAX_CONDITIONS) return [];
  if (depth > MAX_DEPTH) return wrong(`groups lie at most ${MAX_DEPTH} deep in each other`);
  if (typeof node !== 'object' || node === null || Array.isArray(node))
    return wrong('a condition is an object');
  const kinds = KINDS.filter((kind) => Object.hasOwn(node, kind));
  const [kind] = kinds;
  if (kind === undefined || kinds.length > 1)
    return wrong(`a condition has one of ${KINDS.map((name) => `\`${name}\``).join(', ')}`);
  if (!isGroup(kind)) {
    const { error } = LEAVES[kind].safeParse(node);
    return (error?.issues ?? []).map((issue) => ({ ...issue, path: [...path, ...issue.path] }));
  }
  const inside = (node as Record<string, unknown>)[kind];
  const beside = Object.keys(node)
    .filter((key) => key !== kind)
    .flatMap((key) => wrong(`does not go with \`${kind}\``, [...path, key]));
  if (kind === 'not') return [...beside, ...issuesOf(inside, [...path, kind], depth + 1, count)];
  if (!Array.isArray(inside) || inside.length === 0)
    return [...beside, ...wrong('a list of at least one condition', [...path, kind])];
  return [...beside, ...inside.flatMap((one, i) => issuesOf(one, [...path, kind, i], depth + 1, count))];
}

export const conditionSchema = z
  .unknown()
  .superRefine((node, context) => {
    for (const issue of issuesOf(node, [], 0, { nodes: 0 })) context.addIssue(issue as never);
  })
  .meta({
    description:
      'Whom it is about: `{all|any: […]}`, `{not: …}`, `{field, op, value}`, `{attribute, op, value}`, `{tag}`, `{event, within_days?, at_least?, where?}`, `{consent, status}`, `{suppressed}`; see docs/segments.md',
    examples: [{ all: [{ tag: 'vip' }, { attribute: 'plan', op: 'is', value: 'pro' }] }],
  }) as unknown as z.ZodType<Condition, Condition>;

/** Values for a JSON schema: mostly ones that fit, some that nearly fit, some that do not. */
import type { Random } from './random.ts';

// biome-ignore lint/suspicious/noExplicitAny: a JSON schema, read as it comes
export type Schema = Record<string, any>;

export interface Sources {
  random: Random;
  /** Ids seen in answers, and some of another organization. */
  ids: string[];
  /** Ids of the things of a collection: `/api/senders`. */
  idsOf: Map<string, string[]>;
  components: Record<string, Schema>;
}

/** One of them, mostly of those seen last: what was made long ago has been spoiled since. */
export function recent(ids: readonly string[], random: Random): string {
  return random.pick(random.chance(0.7) ? ids.slice(-3) : ids);
}

const DEPTH = 6;

/** What has broken programs before. */
export const NASTY: unknown[] = [
  '',
  ' ',
  '\u0000',
  'a\u0000b',
  '\ud800',
  '\u202e\u0000',
  '🙂'.repeat(50),
  "'; DROP TABLE contacts; --",
  '{{ 1 | times: 1e9 }}',
  '{% for i in (1..1000000) %}x{% endfor %}',
  '../../etc/passwd',
  '<script>alert(1)</script>',
  'a\r\nBcc: x@example.org',
  '%s%n%d',
  'x'.repeat(5_000),
  'NaN',
  '-0',
  '1e309',
  '2026-02-30T25:61:00Z',
  '0001-01-01T00:00:00Z',
  '+292278994-08-17T07:12:55Z',
  'Europe/Berlin',
  '=HYPERLINK("http://x")',
  0,
  -1,
  1.5,
  2 ** 31,
  -(2 ** 31) - 1,
  2 ** 53,
  1e21,
  1e308,
  null,
  true,
  false,
  [],
  {},
  [[]],
  [null],
  { a: { b: { c: {} } } },
  { __proto__: null, constructor: { prototype: { polluted: true } } },
  Array.from({ length: 300 }, (_, i) => i),
];

function text(schema: Schema, { random }: Sources): string {
  const words = ['Ada', 'Grace Hopper', 'müller', 'a', 'Zürich 42', '山田', 'x y z', "O'Brien", '1', 'true'];
  const min = schema.minLength ?? 0;
  const max = schema.maxLength ?? 40;
  let value = random.pick(words);
  if (random.chance(0.1)) value = value.repeat(Math.ceil(max / value.length)).slice(0, max);
  return value.padEnd(Math.min(min, 10_000), 'x').slice(0, max);
}

const TIMES = [
  '2026-11-22T10:00:00Z',
  '2030-01-01T00:00:00.123+02:00',
  '1999-12-31T23:59:59Z',
  '9999-12-31T23:59:59Z',
];

function formatted(schema: Schema, sources: Sources): string {
  const { random, ids } = sources;
  switch (schema.format) {
    case 'uuid':
      return random.pick(ids);
    case 'date-time':
      return random.pick(TIMES);
    case 'date':
      return random.pick(['2026-11-22', '2024-02-29', '9999-12-31']);
    case 'time':
      return random.pick(['09:00:00', '23:59:59']);
    case 'email':
      return `p${random.below(50)}@example.org`;
    case 'uri':
      return 'https://example.org/x';
    default:
      return patterned(schema, sources);
  }
}

/** A few shapes that patterns here ask for; a text where none fits. */
function patterned(schema: Schema, sources: Sources): string {
  const pattern: string | undefined = schema.pattern;
  if (pattern === undefined) return text(schema, sources);
  const tries = [
    'a',
    'abc',
    'Ada',
    '09:00',
    '17:30',
    '30s',
    '5',
    '+4915112345678',
    'DE',
    'de-DE',
    'a_b',
    '2026-11-22',
    'a@b.de',
  ];
  const fitting = tries.filter((one) => new RegExp(pattern, 'u').test(one));
  return fitting.length > 0 ? sources.random.pick(fitting) : text(schema, sources);
}

function number(schema: Schema, { random }: Sources): number {
  const whole = schema.type === 'integer';
  const low = schema.minimum ?? (schema.exclusiveMinimum !== undefined ? schema.exclusiveMinimum + 1 : -10);
  const high =
    schema.maximum ?? (schema.exclusiveMaximum !== undefined ? schema.exclusiveMaximum - 1 : low + 1_000);
  const edge = random.chance(0.3) ? random.pick([low, high]) : low + random.next() * (high - low);
  return whole ? Math.round(edge) : edge;
}

function object(schema: Schema, sources: Sources, depth: number): Record<string, unknown> {
  const { random } = sources;
  const required: string[] = schema.required ?? [];
  const value: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries<Schema>(schema.properties ?? {}))
    if (required.includes(key) || random.chance(0.6)) value[key] = fitting(inner, sources, depth + 1);
  const further = schema.additionalProperties;
  if (typeof further === 'object')
    for (let i = random.below(3); i > 0; i--)
      value[random.pick(['note', 'score', 'a', 'x y', 'since'])] = fitting(further, sources, depth + 1);
  return value;
}

/** A value that should fit. */
export function fitting(given: Schema, sources: Sources, depth = 0): unknown {
  const { random } = sources;
  const schema: Schema = given.$ref ? (sources.components[given.$ref.split('/').at(-1)] ?? {}) : given;
  const choice = schema.oneOf ?? schema.anyOf;
  if (depth > DEPTH) return null;
  if (choice) return fitting(random.pick(choice), sources, depth);
  if (schema.allOf)
    return Object.assign({}, ...schema.allOf.map((one: Schema) => fitting(one, sources, depth + 1)));
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return random.pick(schema.enum);
  const type = Array.isArray(schema.type) ? random.pick(schema.type) : schema.type;
  switch (type) {
    case 'object':
      return object(schema, sources, depth);
    case 'array': {
      const length = Math.min(schema.maxItems ?? 4, Math.max(schema.minItems ?? 0, random.below(4)));
      return Array.from({ length }, () => fitting(schema.items ?? {}, sources, depth + 1));
    }
    case 'integer':
    case 'number':
      return number(schema, sources);
    case 'boolean':
      return random.chance(0.5);
    case 'null':
      return null;
    case 'string':
      return formatted(schema, sources);
    default:
      return random.pick(['x', 1, true, null]);
  }
}

/** Changes one place of a value into something nasty. */
export function spoiled(value: unknown, sources: Sources): unknown {
  const { random } = sources;
  if (Array.isArray(value) && value.length > 0 && random.chance(0.7)) {
    const at = random.below(value.length);
    return value.map((one, i) => (i === at ? spoiled(one, sources) : one));
  }
  if (typeof value === 'object' && value !== null && random.chance(0.85)) {
    const keys = Object.keys(value);
    const copy: Record<string, unknown> = { ...value };
    if (keys.length === 0 || random.chance(0.15))
      copy[random.pick(['org_id', 'id', 'surprise', 'a\u0000', ''])] = 1;
    else {
      const key = random.pick(keys);
      if (random.chance(0.15)) delete copy[key];
      else copy[key] = spoiled(copy[key], sources);
    }
    return copy;
  }
  return random.pick(NASTY);
}

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ContactsWorld, contactsWorld } from '../../../test/support/contacts.ts';
import { sql } from '../../db/sql.ts';
import { newId, type Uuid } from '../../kernel/ids.ts';
import { checkCondition } from './check-condition.ts';
import { type Condition, conditionSchema, type Leaf } from './condition.ts';
import { conditionSql } from './condition-sql.ts';

/** What a condition means, once more and without SQL: the oracle. */
interface Person {
  id: Uuid;
  company: string | null;
  title: string | null;
  external_id: string | null;
  created_at: Date;
  attributes: Record<string, string | number | boolean>;
  tags: string[];
  consents: ('granted' | 'revoked')[];
  email: string | null;
  suppressed: boolean;
  events: { name: string; at: Date; properties: Record<string, string | number | boolean> }[];
}

const NOW = new Date('2026-06-15T12:00:00Z');
const DAY_MS = 86_400_000;
const day = (shift: number) => new Date(NOW.getTime() + shift * DAY_MS).toISOString().slice(0, 10);

function holds(condition: Condition, person: Person): boolean {
  if ('all' in condition) return condition.all.every((one) => holds(one, person));
  if ('any' in condition) return condition.any.some((one) => holds(one, person));
  if ('not' in condition) return !holds(condition.not, person);
  return leafHolds(condition, person);
}

function leafHolds(leaf: Leaf, person: Person): boolean {
  if ('tag' in leaf) return person.tags.includes(leaf.tag);
  if ('suppressed' in leaf) return leaf.suppressed === 'email' && person.email !== null && person.suppressed;
  if ('consent' in leaf) return (person.consents.at(-1) ?? 'none') === leaf.status;
  if ('event' in leaf) {
    const since = leaf.within_days === undefined ? 0 : NOW.getTime() - leaf.within_days * DAY_MS;
    const where = Object.entries(leaf.where ?? {});
    const matching = person.events.filter(
      ({ name, at, properties }) =>
        name === leaf.event &&
        at.getTime() >= since &&
        where.every(([key, value]) => properties[key] === value),
    );
    return matching.length >= (leaf.at_least ?? 1);
  }
  const name = 'field' in leaf ? leaf.field : leaf.attribute;
  const given = 'field' in leaf ? (person as never)[name] : person.attributes[name];
  return valueHolds(leaf, given ?? null, name === 'external_id');
}

type Compared = Pick<Extract<Leaf, { op: unknown }>, 'op' | 'value'>;

function valueHolds(
  { op, value }: Compared,
  given: string | number | boolean | Date | null,
  exact: boolean,
): boolean {
  if (op === 'is_set') return given !== null && given !== '';
  if (op === 'is_not_set') return given === null || given === '';
  if (op === 'is_not') return !valueHolds({ op: 'is', value }, given, exact);
  if (given === null) return false;
  if (given instanceof Date) {
    const at = new Date(String(value)).getTime();
    if (op === 'before') return given.getTime() < at;
    if (op === 'after') return given.getTime() >= at + (String(value).length === 10 ? DAY_MS : 1);
    return given.getTime() >= NOW.getTime() - Number(value) * DAY_MS;
  }
  const fold = (one: unknown) => (typeof one === 'string' && !exact ? one.toLowerCase() : one);
  const text = String(fold(given));
  switch (op) {
    case 'is':
      return fold(given) === fold(value);
    case 'in':
      return (value as (string | number)[]).some((one) => fold(one) === fold(given));
    case 'contains':
      return text.includes(String(fold(value)));
    case 'starts_with':
      return text.startsWith(String(fold(value)));
    case 'ends_with':
      return text.endsWith(String(fold(value)));
    case 'greater_than':
      return given > value!;
    case 'less_than':
    case 'before':
      return given < value!;
    case 'after':
      return given > value!;
    case 'in_last_days':
      return text >= day(-Number(value)) && text <= day(0);
    case 'in_next_days':
      return text >= day(0) && text <= day(Number(value));
  }
}

// Small alphabets, so that things meet; with what LIKE, JSON and regular expressions would stumble over.
const word = fc.string({
  unit: fc.constantFrom('a', 'A', 'b', 'é', '%', '_', '\\', '"', "'"),
  minLength: 1,
  maxLength: 3,
});
const number = fc.constantFrom(-1.5, 0, 0.1, 1, 2, 1e21);
const someDay = fc.integer({ min: -5, max: 5 }).map(day);
const moment = fc
  .integer({ min: -5 * DAY_MS, max: 5 * DAY_MS })
  .map((shift) => new Date(NOW.getTime() + shift));
const tag = fc.constantFrom('vip', 'Vip', 'new');
const event = fc.constantFrom('deal.created', 'login');
const property = fc.oneof(fc.constantFrom('x', 'X', '1'), fc.constantFrom(1, 2), fc.boolean());
const maybe = <T>(one: fc.Arbitrary<T>) => fc.option(one, { nil: undefined });

const person: fc.Arbitrary<Person> = fc.record({
  id: fc.constant(null).map(() => newId()),
  company: fc.option(word),
  title: fc.option(word),
  external_id: fc.option(word),
  created_at: moment,
  attributes: fc
    .record({ plan: word, seats: number, trial: fc.boolean(), renewal: someDay }, { requiredKeys: [] })
    .map((given) => ({ ...given })),
  tags: fc.uniqueArray(tag),
  consents: fc.array(fc.constantFrom('granted' as const, 'revoked' as const), { maxLength: 3 }),
  email: fc.constant(null),
  suppressed: fc.boolean(),
  events: fc.array(
    fc.record({
      name: event,
      at: moment,
      properties: fc
        .record({ stage: property, by: property }, { requiredKeys: [] })
        .map((given) => ({ ...given })),
    }),
    { maxLength: 4 },
  ),
});

const TEXT_OPERATORS = ['is', 'is_not', 'contains', 'starts_with', 'ends_with'] as const;
const setOrNot = fc.constantFrom('is_set' as const, 'is_not_set' as const);
const textual = fc.oneof(
  fc.record({ op: fc.constantFrom(...TEXT_OPERATORS), value: word }),
  fc.record({ op: fc.constant('in' as const), value: fc.array(word, { minLength: 1, maxLength: 3 }) }),
  fc.record({ op: setOrNot }),
);
const numeric = fc.oneof(
  fc.record({ op: fc.constantFrom('is', 'is_not', 'greater_than', 'less_than'), value: number }),
  fc.record({ op: fc.constant('in'), value: fc.array(number, { minLength: 1, maxLength: 3 }) }),
  fc.record({ op: setOrNot }),
);
const dated = fc.oneof(
  fc.record({ op: fc.constantFrom('is', 'is_not', 'before', 'after'), value: someDay }),
  fc.record({ op: fc.constantFrom('in_last_days', 'in_next_days'), value: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ op: setOrNot }),
);
const timed = fc.oneof(
  fc.record({
    op: fc.constantFrom('before', 'after'),
    value: fc.oneof(
      someDay,
      moment.map((at) => at.toISOString()),
    ),
  }),
  fc.record({ op: fc.constant('in_last_days'), value: fc.integer({ min: 1, max: 4 }) }),
);
const leaf = fc.oneof(
  fc
    .tuple(fc.constantFrom('company', 'title', 'external_id'), textual)
    .map(([field, rest]) => ({ field, ...rest })),
  timed.map((rest) => ({ field: 'created_at', ...rest })),
  textual.map((rest) => ({ attribute: 'plan', ...rest })),
  numeric.map((rest) => ({ attribute: 'seats', ...rest })),
  dated.map((rest) => ({ attribute: 'renewal', ...rest })),
  fc
    .record({ op: fc.constantFrom('is', 'is_not'), value: fc.boolean() })
    .map((rest) => ({ attribute: 'trial', ...rest })),
  fc.record({ tag }),
  fc.record({ consent: fc.constant('email'), status: fc.constantFrom('granted', 'revoked', 'none') }),
  fc.constant({ suppressed: 'email' }),
  fc.record({
    event,
    within_days: maybe(fc.integer({ min: 1, max: 4 })),
    at_least: maybe(fc.integer({ min: 1, max: 3 })),
    where: maybe(fc.dictionary(fc.constantFrom('stage', 'by'), property).map((given) => ({ ...given }))),
  }),
);
const { condition } = fc.letrec<{ condition: unknown }>((tie) => ({
  condition: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    leaf,
    fc.record({ all: fc.array(tie('condition'), { minLength: 1, maxLength: 3 }) }),
    fc.record({ any: fc.array(tie('condition'), { minLength: 1, maxLength: 3 }) }),
    fc.record({ not: tie('condition') }),
  ),
}));

let world: ContactsWorld;
beforeAll(async () => {
  world = await contactsWorld();
});
afterAll(() => world.close());

const attributes = new Map([
  ['plan', 'text'],
  ['seats', 'number'],
  ['trial', 'boolean'],
  ['renewal', 'date'],
] as const);

async function store(org: Uuid, people: readonly Person[]): Promise<void> {
  const rows = JSON.stringify(people.map((one, n) => ({ ...one, n, email: `${one.id}@x.example` })));
  await world.db.inOrg(org, async (tx) => {
    await tx.run(sql`INSERT INTO contacts (org_id, id, company, title, external_id, created_at, attributes, email)
      SELECT ${org}::uuid, id, company, title, external_id, created_at, attributes, email FROM json_to_recordset(${rows}::json)
        AS r(id uuid, company text, title text, external_id text, created_at timestamptz, attributes jsonb, email text)`);
    await tx.run(sql`INSERT INTO contact_tags (org_id, tag, contact_id)
      SELECT ${org}::uuid, t, id FROM json_to_recordset(${rows}::json) AS r(id uuid, tags json), json_array_elements_text(tags) t`);
    await tx.run(sql`INSERT INTO suppressions (org_id, kind, address, reason, source)
      SELECT ${org}::uuid, 'email', email, 'manual', 'test' FROM json_to_recordset(${rows}::json) AS r(email text, suppressed boolean) WHERE suppressed`);
    for (const one of people) {
      // The newest is the one with the largest id.
      for (const [n, status] of one.consents.entries())
        await tx.run(sql`INSERT INTO consents (org_id, contact_id, channel, id, status, source, actor_type, actor_id)
          VALUES (${org}, ${one.id}, 'email', ${newId(NOW.getTime() + n)}, ${status}, 'test', 'system', 'test')`);
      for (const { name, at, properties } of one.events)
        await tx.run(sql`INSERT INTO contact_events (org_id, id, contact_id, name, at, source, properties, told_by)
          VALUES (${org}, ${newId()}, ${one.id}, ${name}, ${at}, 'api', ${JSON.stringify(properties)}::jsonb, 'test')`);
    }
  });
}

describe('[SEQ-10] a condition as SQL', () => {
  it('[SEQ-10] chooses the contacts that its meaning chooses', async () => {
    const { org } = await world.newOrg();
    const people = fc
      .sample(fc.uniqueArray(person, { minLength: 60, maxLength: 60, selector: (one) => one.id }), 1)
      .flat();
    const seen = new Set<string | null>();
    for (const one of people) {
      if (seen.has(one.external_id)) one.external_id = null;
      else seen.add(one.external_id);
      one.email = `${one.id}@x.example`;
    }
    await store(org, people);
    let chosen = 0;
    await fc.assert(
      fc.asyncProperty(condition, async (given) => {
        const parsed = conditionSchema.parse(JSON.parse(JSON.stringify(given)));
        expect(checkCondition(parsed, { attributes })).toEqual([]);
        const expected = people.filter((one) => holds(parsed, one)).map(({ id }) => id);
        for (const many of [false, true]) {
          const where = conditionSql(parsed, { org, contact: sql`c`, many, now: sql`${NOW}::timestamptz` });
          const rows = await world.db.inOrg(org, (tx) =>
            tx.rows<{ id: Uuid }>(sql`SELECT c.id FROM contacts c WHERE c.org_id = ${org} AND ${where}`),
          );
          expect(rows.map(({ id }) => id).sort()).toEqual(expected.sort());
        }
        chosen += expected.length;
      }),
      { numRuns: 600 },
    );
    // It compared something, not empty lists with empty lists.
    expect(chosen).toBeGreaterThan(600);
  });

  it("[TEN-2] never looks at another organization's tags, events or consents", async () => {
    const [ours, theirs] = [(await world.newOrg()).org, (await world.newOrg()).org];
    const text = [
      { tag: 'vip' },
      { event: 'login' },
      { consent: 'email' as const, status: 'granted' as const },
      { suppressed: 'email' as const },
    ].map((one) => conditionSql(one, { org: ours, contact: sql`c` }));
    for (const one of text) {
      expect(one.text).toContain('org_id = $1');
      expect(one.values[0]).toBe(ours);
      expect(one.values).not.toContain(theirs);
    }
  });
});

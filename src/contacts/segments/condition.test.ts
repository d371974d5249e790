import { describe, expect, it } from 'vitest';
import { sql } from '../../db/sql.ts';
import { newId } from '../../kernel/ids.ts';
import { checkCondition } from './check-condition.ts';
import { type Condition, conditionSchema, MAX_CONDITIONS, MAX_DEPTH } from './condition.ts';
import { conditionSql } from './condition-sql.ts';

const attributes = new Map([
  ['plan', 'text'],
  ['seats', 'number'],
  ['trial', 'boolean'],
  ['renewal', 'date'],
] as const);

function paths(condition: unknown): string[] {
  const read = conditionSchema.safeParse(condition);
  return (read.error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`);
}

const nested = (depth: number): unknown => (depth === 0 ? { tag: 'x' } : { not: nested(depth - 1) });

describe('[SEQ-10] conditions', () => {
  it('[SEQ-10] takes every kind as it was written', () => {
    const condition = {
      all: [
        { any: [{ field: 'company', op: 'contains', value: 'GmbH' }, { tag: 'vip' }] },
        { not: { attribute: 'seats', op: 'in', value: [1, 2] } },
        { event: 'deal.created', within_days: 30, at_least: 2, where: { stage: 'won', amount: 5 } },
        { event: 'opened', of: 'enrollment' },
        { consent: 'email', status: 'none' },
        { suppressed: 'email' },
      ],
    };
    expect(conditionSchema.parse(condition)).toEqual(condition);
  });

  it('[SEQ-10] names every mistake at its own place, all at once', () => {
    expect(
      paths({
        all: [
          { field: 'shoe_size', op: 'is', value: 1 },
          { any: [] },
          { tag: 'a', event: 'b' },
          { not: { attribute: 'plan', op: 'resembles' } },
          { event: 'Deal Created', where: { a: '\ud800' } },
          { any: [7, { tag: 'x' }], because: 'typo' },
          { tag: 'x', since: 'ever' },
        ],
      }).map((line) => line.split(': ')[0]),
    ).toEqual([
      'all.0.field',
      'all.1.any',
      'all.2',
      'all.3.not.op',
      'all.4.event',
      'all.4.where.a',
      'all.5.because',
      'all.5.any.0',
      'all.6',
    ]);
    for (const nothing of [null, [], 'tag', {}, 3]) expect(paths(nothing)).toHaveLength(1);
  });

  it('[SEQ-10] limits how deep and how many', () => {
    expect(paths(nested(MAX_DEPTH))).toEqual([]);
    expect(paths(nested(MAX_DEPTH + 1))).toEqual([expect.stringContaining('deep')]);
    const many = (n: number) => ({ any: Array.from({ length: n }, () => ({ tag: 'x' })) });
    expect(paths(many(MAX_CONDITIONS - 1))).toEqual([]);
    expect(paths(many(MAX_CONDITIONS + 50))).toEqual([expect.stringContaining(`${MAX_CONDITIONS}`)]);
  });

  it('[SEQ-10] compares operators and values with the types of the organization', () => {
    const condition = conditionSchema.parse({
      all: [
        { attribute: 'seats', op: 'contains', value: 'x' },
        { attribute: 'seats', op: 'greater_than', value: 'many' },
        { attribute: 'trial', op: 'is', value: 'yes' },
        { attribute: 'renewal', op: 'before', value: '2026-02-30' },
        { attribute: 'renewal', op: 'in_next_days', value: 1.5 },
        { attribute: 'colour', op: 'is_set' },
        { not: { field: 'company', op: 'before', value: '2026-01-01' } },
        { field: 'created_at', op: 'after', value: 'yesterday' },
        { field: 'company', op: 'in', value: ['a', 3] },
        { field: 'company', op: 'is' },
        { field: 'company', op: 'is_set', value: 'x' },
        { attribute: 'plan', op: 'is', value: ['x'] },
      ],
    });
    expect(checkCondition(condition, { attributes }, 'where').map(({ field }) => field)).toEqual([
      'where.all[0].op',
      'where.all[1].value',
      'where.all[2].value',
      'where.all[3].value',
      'where.all[4].value',
      'where.all[5].attribute',
      'where.all[6].not.op',
      'where.all[7].value',
      'where.all[8].value[1]',
      'where.all[9].value',
      'where.all[10].value',
      'where.all[11].value',
    ]);
  });

  it('[SEQ-14] asks for the answers to an enrollment only where there is one', () => {
    const step = newId();
    const opened = (of: 'enrollment' | `step:${string}`): Condition => ({ not: { event: 'opened', of } });
    expect(checkCondition(opened('enrollment'), { attributes })).toEqual([
      expect.objectContaining({ field: 'condition.not.of', code: 'wrong_scope' }),
    ]);
    const steps = new Set([step]);
    expect(checkCondition(opened('enrollment'), { attributes, steps })).toEqual([]);
    expect(checkCondition(opened(`step:${step}`), { attributes, steps })).toEqual([]);
    expect(checkCondition(opened(`step:${newId()}`), { attributes, steps })).toHaveLength(1);
    expect(() => conditionSql(opened('enrollment'), { org: newId(), contact: sql`c` })).toThrow(
      'in a sequence',
    );
  });
});

import { describe, expect, test } from 'vitest';
import { newId } from './ids.ts';
import { listOrder, pageOf, positionOf } from './page.ts';
import { Problem } from './problem.ts';

const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

const PAIRS = listOrder('pairs', ['uuid', 'int']);
const EVENTS = listOrder('events', ['uuid', 'time']);

describe('pages', () => {
  test('the cursor of a full page leads to the row after its last', () => {
    const rows = [1, 2, 3].map((n) => ({ id: newId(), n }));
    const page = pageOf(rows, { limit: 2 }, PAIRS, (row) => [row.id, row.n]);
    expect(page.items).toHaveLength(2);
    expect(positionOf({ limit: 2, cursor: page.next_cursor! }, PAIRS)).toEqual([rows[1]!.id, 2]);
  });

  test('the last page has no cursor', () => {
    const numbers = listOrder('numbers', ['int']);
    expect(pageOf([1, 2], { limit: 2 }, numbers, (n) => [n]).next_cursor).toBeNull();
    expect(pageOf([], { limit: 2 }, numbers, () => [0]).next_cursor).toBeNull();
    expect(positionOf({ limit: 2 }, numbers)).toBeNull();
  });

  test.each([
    'x',
    '',
    encoded(null),
    encoded({}),
    encoded([]),
    encoded(['events']),
    encoded(['events', 'x']),
    encoded(['events', newId(), 1]),
    encoded(['events', newId(), '2026-13-45T00:00:00Z']),
    encoded(['other', newId(), '2026-11-22T00:00:00Z']),
    encoded([newId(), '2026-11-22T00:00:00Z']),
    'a'.repeat(2_000),
  ])('refuses %s', (cursor) => {
    expect(() => positionOf({ limit: 1, cursor }, EVENTS)).toThrow(Problem);
  });

  test('times and texts are checked for what they are', () => {
    const at = '2026-11-22T02:48:10.477123Z';
    const days = listOrder('days', ['time', 'text']);
    expect(positionOf({ limit: 1, cursor: encoded(['days', at, 'ü']) }, days)).toEqual([at, 'ü']);
    expect(() => positionOf({ limit: 1, cursor: encoded(['days', at, 'x\0']) }, days)).toThrow(Problem);
  });
});

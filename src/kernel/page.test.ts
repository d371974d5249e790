import { describe, expect, test } from 'vitest';
import { newId } from './ids.ts';
import { pageOf, positionOf } from './page.ts';
import { Problem } from './problem.ts';

const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('pages', () => {
  test('the cursor of a full page leads to the row after its last', () => {
    const rows = [1, 2, 3].map((n) => ({ id: newId(), n }));
    const page = pageOf(rows, { limit: 2 }, (row) => [row.id, row.n]);
    expect(page.items).toHaveLength(2);
    expect(positionOf({ limit: 2, cursor: page.next_cursor! }, ['uuid', 'int'])).toEqual([rows[1]!.id, 2]);
  });

  test('the last page has no cursor', () => {
    expect(pageOf([1, 2], { limit: 2 }, (n) => [n]).next_cursor).toBeNull();
    expect(pageOf([], { limit: 2 }, () => []).next_cursor).toBeNull();
    expect(positionOf({ limit: 2 }, ['uuid'])).toBeNull();
  });

  test.each([
    'x',
    '',
    encoded(null),
    encoded({}),
    encoded([]),
    encoded(['x']),
    encoded([newId(), 1]),
    encoded([newId(), '2026-13-45T00:00:00Z']),
    'a'.repeat(2_000),
  ])('refuses %s', (cursor) => {
    expect(() => positionOf({ limit: 1, cursor }, ['uuid', 'time'])).toThrow(Problem);
  });

  test('times and texts are checked for what they are', () => {
    const at = '2026-11-22T02:48:10.477123Z';
    expect(positionOf({ limit: 1, cursor: encoded([at, 'ü']) }, ['time', 'text'])).toEqual([at, 'ü']);
    expect(() => positionOf({ limit: 1, cursor: encoded(['x\0']) }, ['text'])).toThrow(Problem);
  });
});

/**
 * Pages of a list. A list is ordered by columns that are unique together; a cursor is the name of the list and the values
 * of those columns in the last row shown, opaque to clients. A list asks for `limit + 1` rows, so that it knows whether
 * more follow. Without the name a cursor of another list would be read as a position of this one, somewhere in it.
 */
import { isUuid } from './ids.ts';
import { Problem } from './problem.ts';

export const PAGE_LIMIT = { default: 50, max: 200 } as const;

export interface PageRequest {
  limit: number;
  cursor?: string | undefined;
}

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

type Kind = 'uuid' | 'text' | 'int' | 'time';
type Value<K extends Kind> = K extends 'int' ? number : string;
type Values<S extends readonly Kind[]> = { [I in keyof S]: Value<S[I]> };

/** What a list is ordered by, and its name: no other list has it. */
export interface ListOrder<S extends readonly Kind[]> {
  name: string;
  columns: S;
}

export function listOrder<const S extends readonly Kind[]>(name: string, columns: S): ListOrder<S> {
  return { name, columns };
}

const CURSOR_MAX_LENGTH = 1_000;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$/;

const FITS: Record<Kind, (value: unknown) => boolean> = {
  uuid: (value) => typeof value === 'string' && isUuid(value),
  text: (value) => typeof value === 'string' && !value.includes('\0'),
  int: (value) => Number.isSafeInteger(value),
  time: (value) => typeof value === 'string' && TIME.test(value) && !Number.isNaN(Date.parse(value)),
};

function parse(cursor: string): unknown {
  if (cursor.length > CURSOR_MAX_LENGTH) return null;
  try {
    return JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    return null;
  }
}

/** The position a cursor stands for, or null at the start. @throws Problem invalid_request for one that is not of this list. */
export function positionOf<S extends readonly Kind[]>(
  page: PageRequest,
  { name, columns }: ListOrder<S>,
): Values<S> | null {
  if (page.cursor === undefined) return null;
  const found = parse(page.cursor);
  if (Array.isArray(found) && found[0] === name && found.length === columns.length + 1) {
    const values = found.slice(1);
    if (columns.every((kind, i) => FITS[kind](values[i]))) return values as unknown as Values<S>;
  }
  throw new Problem('invalid_request', 'The cursor is not one of this list', {
    errors: [
      {
        field: 'cursor',
        code: 'invalid_cursor',
        message: 'Use next_cursor of the page before, unchanged; leave it out for the first page',
      },
    ],
  });
}

/** Cuts `limit + 1` rows to a page. `keyOf` gives the ordering columns of a row. */
export function pageOf<T, S extends readonly Kind[]>(
  rows: T[],
  page: PageRequest,
  { name }: ListOrder<S>,
  keyOf: (row: T) => Values<S>,
): Page<T> {
  const items = rows.slice(0, page.limit);
  const last = items.at(-1);
  const more = rows.length > page.limit && last !== undefined;
  return {
    items,
    next_cursor: more ? cursorOf(name, keyOf(last)) : null,
  };
}

/** For a list that says itself where it stands. */
export function cursorOf(name: string, values: readonly unknown[]): string {
  return Buffer.from(JSON.stringify([name, ...values])).toString('base64url');
}

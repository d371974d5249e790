import { afterAll, beforeAll, expect, it } from 'vitest';
import { type ContactsWorld, contactsWorld } from '../../test/support/contacts.ts';
import { newId } from '../kernel/ids.ts';
import { jsonbArray, textArray, uuidArray } from './binary-arrays.ts';
import { sql } from './sql.ts';

let world: ContactsWorld;
beforeAll(async () => {
  world = await contactsWorld();
});
afterAll(() => world.close());

const read = async (statement: ReturnType<typeof sql>) =>
  (await world.db.outsideOrgs((tx) => tx.one<{ values: unknown[] }>(statement))).values;

const TEXTS = [
  undefined,
  '',
  'plain',
  '  a "quoted" \\ back\\slash, {brace} and NULL\n',
  'Jürgen',
  '😀',
  'x'.repeat(47),
  'x'.repeat(48),
  `${'x'.repeat(47)}é`,
  `${'x'.repeat(60)}é`,
  undefined,
];

it('[CON-1] texts arrive as they are: empty, missing, quoted, beyond ASCII, short and long', async () => {
  const sent = textArray(TEXTS);
  expect(await read(sql`SELECT ${sent}::text[] AS values`)).toEqual(TEXTS.map((text) => text ?? null));
});

it('[CON-1] texts longer than any before arrive whole, and what was handed out stays as it was', async () => {
  const first = textArray(['first']);
  const long = ['é'.repeat(400_000), 'after'];
  expect(await read(sql`SELECT ${textArray(long)}::text[] AS values`)).toEqual(long);
  expect(await read(sql`SELECT ${first}::text[] AS values`)).toEqual(['first']);
});

it('[CON-1] ids and JSON arrive as they are', async () => {
  const ids = ['00000000-0000-0000-0000-000000000000', '01234567-89ab-cdef-fedc-ba9876543210', newId()];
  expect(await read(sql`SELECT ${uuidArray(ids)}::uuid[]::text[] AS values`)).toEqual(ids);
  const values = [{ a: 'é "q" \\', n: 1.5 }, undefined, {}, { long: 'y'.repeat(300), yes: true }];
  expect(await read(sql`SELECT ${jsonbArray(values)}::jsonb[] AS values`)).toEqual(
    values.map((value) => value ?? null),
  );
});

it('[CON-1] no values are an empty array', async () => {
  expect(await read(sql`SELECT ${textArray([])}::text[] AS values`)).toEqual([]);
  expect(await read(sql`SELECT ${uuidArray([])}::uuid[]::text[] AS values`)).toEqual([]);
});

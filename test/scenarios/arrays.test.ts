import { afterAll, beforeAll, expect, it } from 'vitest';
import { integers, millis, texts, uuids } from '../../src/db/arrays.ts';
import { Database } from '../../src/db/database.ts';
import { newId } from '../../src/kernel/ids.ts';
import { createDatabase } from '../support/database.ts';

let db: Database;
let drop: () => Promise<void>;
beforeAll(async () => {
  const created = await createDatabase();
  drop = created.drop;
  db = new Database({ url: created.ownerUrl, max: 1 });
});
afterAll(async () => {
  await db.close();
  await drop();
});

it('[OPS-6] columns of a batch arrive in PostgreSQL as they were, whatever is in them', async () => {
  const nasty = [
    'plain',
    '',
    'NULL',
    'null',
    null,
    'a,b',
    '{x}',
    '"q"',
    'back\\slash',
    ' blank ',
    'é\n\t',
    "it's",
    '550 5.1.1 <a@b.c>',
  ];
  const ids = [newId(), null, newId()];
  const [row] = await db.callPrepared(
    {
      name: 'arrays_test',
      text: 'SELECT $1::text[], $2::uuid[], $3::int[], ARRAY(SELECT to_timestamp(x / 1000) FROM unnest($4::float8[]) x)',
    },
    [texts(nasty), uuids(ids), integers([1, null, -3]), millis([1_764_000_000_123.9, null, undefined])],
  );
  expect(row).toEqual([nasty, ids, [1, null, -3], [new Date(1_764_000_000_123), null, null]]);
});

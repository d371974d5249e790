/** A process of its own that carries an import out, and says after each batch how far it is. */

import { runImport } from '../../src/contacts/import/run.ts';
import { Database } from '../../src/db/database.ts';
import { invariant } from '../../src/kernel/invariant.ts';

const [url, org, id, batchRows] = process.argv.slice(2);
invariant(url && org && id && batchRows, 'usage: import-process URL ORG IMPORT BATCH_ROWS');

const db = new Database({ url, max: 4 });
const actor = { type: 'worker', id: `test:${process.pid}`, name: 'import' } as const;
const record = await runImport(db, { org, actor }, id, {
  batchRows: Number(batchRows),
  onProgress: ({ next_byte }) => process.stdout.write(`${next_byte}\n`),
});
await db.close();
process.stdout.write(`${record.status}\n`);

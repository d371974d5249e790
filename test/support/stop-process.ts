/**
 * A process of its own that pauses or unenrolls: says `flagged` between its two transactions, goes on when a line comes
 * in, and says the receipt.
 */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Database } from '../../src/db/database.ts';
import { invariant } from '../../src/kernel/invariant.ts';
import { endEnrollment } from '../../src/plan/stop.ts';

const [url, org, id, event] = process.argv.slice(2);
invariant(url && org && id && (event === 'pause' || event === 'unenroll'), 'usage: URL ORG ENROLLMENT EVENT');

const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);
const input = createInterface({ input: process.stdin });
const db = new Database({ url, max: 1 });
const ctx = { org, actor: { type: 'system', id: 'test', name: 'test' } } as const;
const receipt = await endEnrollment(db, ctx, id, event, {
  async failpoint(name) {
    if (name !== 'after_flag') return;
    say({ flagged: true });
    await once(input, 'line');
  },
});
say({ receipt });
await db.close();
input.close();

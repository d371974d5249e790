/** The secrets of an organization's senders under the newest master secret, so that the one before can be dropped [TEN-8]. */
import type { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';
import type { Secrets } from '../tenancy/secrets.ts';
import { placeOf } from './credentials.ts';

/** Gives how many were wrapped anew. @throws SecretUnreadable, with what it was under unknown */
export async function rewrapSenderSecrets(db: Database, secrets: Secrets, org: Uuid): Promise<number> {
  return db.inOrg(org, async (tx) => {
    const rows = await tx.rows<{ id: Uuid; secret: Buffer }>(sql`
      SELECT id, secret FROM senders WHERE org_id = ${org} AND secret IS NOT NULL ORDER BY id FOR NO KEY UPDATE`);
    let wrapped = 0;
    for (const { id, secret } of rows) {
      const next = secrets.rewrap(secret, placeOf(org, id));
      // Its content is the same, so `version` stays and nothing is composed again.
      if (next !== null)
        wrapped += await tx.run(
          sql`UPDATE senders SET secret = ${next} WHERE org_id = ${org} AND id = ${id}`,
        );
    }
    return wrapped;
  });
}

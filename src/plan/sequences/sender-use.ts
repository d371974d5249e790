/** Which live sequences send through a sender: by their published version, or for those enrolled under an older one. */
import type { Tx } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';

/** Named in an answer; more than these nobody reads. */
const MAX_NAMED = 50;

export async function sequencesUsing(tx: Tx, org: Uuid, sender: Uuid): Promise<{ id: Uuid; name: string }[]> {
  return tx.rows(sql`
    SELECT s.id, s.name FROM sequences s
     WHERE s.org_id = ${org} AND s.status IN ('active', 'paused')
       AND EXISTS (SELECT FROM sequence_versions v WHERE v.org_id = ${org} AND v.sequence_id = s.id
                      AND v.definition->'sender_ids' ? ${sender}::text
                      AND (v.id = s.published_version_id OR EXISTS (SELECT FROM enrollments e WHERE e.org_id = ${org}
                             AND e.sequence_id = s.id AND e.status IN ('active', 'paused') AND e.version_id = v.id)))
     ORDER BY s.id LIMIT ${MAX_NAMED}`);
}

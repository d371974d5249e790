/** Steps of active sequences, as they are published, whose WhatsApp template is not approved any more: they wait [EXE-11]. */
import type { Tx } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';

const MAX_SHOWN = 100;

export interface UnapprovedStep {
  sequence: { id: Uuid; name: string };
  /** Position, from 0. */
  step_no: number;
  sender: { id: Uuid; name: string };
  name: string;
  language: string;
  /** WhatsApp's word; null: it is not there. */
  status: string | null;
}

/** Of senders whose templates are known. */
export function unapprovedSteps(tx: Tx, org: Uuid): Promise<UnapprovedStep[]> {
  return tx.rows<UnapprovedStep>(sql`
    WITH steps AS (
      SELECT q.id, q.name, v.definition, p.step, (p.n - 1)::int AS step_no
        FROM sequences q
        JOIN sequence_versions v ON v.org_id = q.org_id AND v.id = q.published_version_id
       CROSS JOIN LATERAL jsonb_array_elements(v.definition -> 'steps') WITH ORDINALITY p(step, n)
       WHERE q.org_id = ${org} AND q.status = 'active' AND p.step ->> 'channel' = 'whatsapp'
    ), named AS (
      -- of the step, and of its arms
      SELECT s.*, s.step -> 'template' AS template FROM steps s
      UNION ALL
      SELECT s.*, a -> 'template' FROM steps s CROSS JOIN LATERAL jsonb_array_elements(s.step -> 'variants') a
    )
    SELECT DISTINCT n.step_no, n.template ->> 'name' AS name, n.template ->> 'language' AS language, w.status, jsonb_build_object('id', n.id, 'name', n.name) AS sequence, jsonb_build_object('id', e.id, 'name', e.name) AS sender
      FROM named n
      JOIN senders e ON e.org_id = ${org} AND e.channel = 'whatsapp' AND e.templates_synced_at IS NOT NULL
       AND n.definition -> 'sender_ids' ? e.id::text
      LEFT JOIN whatsapp_templates w ON w.org_id = ${org} AND w.sender_id = e.id AND w.name = n.template ->> 'name' AND w.language = n.template ->> 'language'
     WHERE n.template IS NOT NULL AND w.status IS DISTINCT FROM 'APPROVED'
     ORDER BY sequence, step_no, sender, name, language LIMIT ${MAX_SHOWN}`);
}

/**
 * I3, I4, I5, I8 and I13 as the tables stand, read by the owner. Each statement is one snapshot and names what breaks
 * the rule, so it may be asked at any moment of a run: each reads a table once, so that asking does not slow the run
 * down (a look into touches for each enrollment took nine seconds at 4,000 touches).
 */
import type { Violation } from './violation.ts';

/** What the checker needs of a database client. */
export interface Queryable {
  query(text: string): Promise<{ rows: Record<string, unknown>[] }>;
}

interface Rule {
  invariant: Violation['invariant'];
  what: string;
  /** Rows are violations. */
  sql: string;
}

const SETTLED_EVENTS = `('sent', 'failed', 'retry', 'not_started')`;

/** Touches that hold quota, each with the periods its gate took it from. */
const HOLDING = `
  SELECT t.org_id, t.sender_id, t.contact_id, t.channel, g.rules, g.rules -> 'senders' -> t.sender_id::text AS periods
    FROM touches t JOIN gates g ON g.org_id = t.org_id AND g.token = t.token
   WHERE t.state IN ('sending', 'unknown', 'sent')`;

/** The steps that enrollments came to in their last round, in order, each with the one before it and what became of it there. */
const WAYS = `
  SELECT g.*, e.status, e.step_no AS at_step, v.definition,
         lag(g.step_no) OVER (PARTITION BY g.org_id, g.source_id ORDER BY g.step_no) AS before
    FROM (SELECT t.org_id, t.source_id, t.contact_id, t.generation, t.step_no, array_agg(t.state ORDER BY t.n) AS states
            FROM touches t GROUP BY 1, 2, 3, 4, 5) g
    JOIN enrollments e ON e.org_id = g.org_id AND e.id = g.source_id AND e.generation = g.generation
    JOIN sequence_versions v ON v.org_id = e.org_id AND v.id = e.version_id`;

export const RULES: readonly Rule[] = [
  {
    invariant: 'I3',
    what: 'a touch without its enrollment, or an enrollment without its live touch',
    sql: `
      SELECT t.id AS touch, t.source_id AS enrollment FROM touches t
       WHERE NOT EXISTS (SELECT FROM enrollments e WHERE e.org_id = t.org_id AND e.id = t.source_id)
      UNION ALL
      SELECT e.live_touch, e.id FROM enrollments e
       WHERE NOT EXISTS (SELECT FROM touches t WHERE t.org_id = e.org_id AND t.id = e.live_touch AND t.source_id = e.id)`,
  },
  {
    invariant: 'I3',
    what: 'a step was left behind without being sent or skipped',
    sql: `
      SELECT w.source_id AS enrollment, w.org_id AS org, w.status, w.generation, w.step_no, w.states
        FROM (${WAYS}) w
       WHERE (w.step_no < w.at_step OR w.status = 'completed') AND NOT w.states && ARRAY['sent', 'skipped']
      UNION ALL
      SELECT e.id, e.org_id, e.status, e.generation, e.step_no, NULL FROM enrollments e
       WHERE NOT EXISTS (SELECT FROM touches t WHERE t.org_id = e.org_id AND t.source_id = e.id AND t.generation = e.generation AND t.step_no = e.step_no)`,
  },
  {
    invariant: 'I3',
    what: 'a step came after one that does not lead to it',
    sql: `
      SELECT w.source_id AS enrollment, w.org_id AS org, w.before, w.step_no
        FROM (${WAYS}) w CROSS JOIN LATERAL (SELECT w.definition -> 'steps' -> w.before AS left_step, w.definition -> 'steps' -> w.step_no ->> 'key' AS key) s
       WHERE NOT CASE
         WHEN w.before IS NULL THEN w.step_no = 0
         WHEN s.left_step ? 'branches' THEN
           s.key IN (SELECT b.arm ->> 'go_to' FROM jsonb_array_elements(s.left_step -> 'branches') b(arm))
           OR CASE WHEN s.left_step ? 'otherwise' THEN s.key = s.left_step ->> 'otherwise' ELSE w.step_no = w.before + 1 END
         WHEN s.left_step ? 'next' THEN s.key = s.left_step ->> 'next'
         ELSE w.step_no = w.before + 1 END IS TRUE`,
  },
  {
    invariant: 'I3',
    what: 'a contact is on the way through two sequences of a group that lets it through one',
    sql: `
      SELECT e.org_id AS org, e.contact_id AS contact, v.definition ->> 'exclusive_group' AS of_group, array_agg(e.id) AS enrollments
        FROM enrollments e JOIN sequence_versions v ON v.org_id = e.org_id AND v.id = e.version_id
       WHERE e.status IN ('active', 'paused') AND v.definition ? 'exclusive_group'
       GROUP BY 1, 2, 3 HAVING count(*) > 1`,
  },
  {
    invariant: 'I3',
    what: 'a sequence took in more on a day than it may',
    sql: `
      SELECT e.org_id AS org, e.sequence_id AS sequence, e.intake_day AS day, count(*)::int AS taken_in, min(m.per_day) AS may
        FROM enrollments e JOIN (
          SELECT v.org_id, v.sequence_id, max((v.definition #>> '{intake,per_day}')::int) AS per_day FROM sequence_versions v
           WHERE v.definition ? 'intake' GROUP BY 1, 2) m ON m.org_id = e.org_id AND m.sequence_id = e.sequence_id
          JOIN organizations o ON o.org_id = e.org_id
       WHERE e.intake_day IS NOT NULL AND (e.status IN ('active', 'paused') OR e.intake_day <= (e.ended_at AT TIME ZONE o.time_zone)::date)
       GROUP BY 1, 2, 3 HAVING count(*) > min(m.per_day)`,
  },
  {
    invariant: 'I2',
    what: 'a contact got two arms of one step without a word of who wins',
    sql: `
      SELECT x.org_id AS org, x.step_id AS step, x.contact_id AS contact, array_agg(DISTINCT x.variant) AS arms FROM touch_variants x
       WHERE NOT EXISTS (SELECT FROM variant_decisions w WHERE w.org_id = x.org_id AND w.step_id = x.step_id)
       GROUP BY 1, 2, 3 HAVING count(DISTINCT x.variant) > 1`,
  },
  {
    invariant: 'I3',
    // A subject of its own begins a thread anew: no more than were sent, each of them sent, and the newest never forgotten.
    what: 'an enrollment remembers e-mails that were not sent, or none of those that were',
    sql: `
      SELECT e.id AS enrollment, e.org_id AS org, cardinality(e.thread) AS remembered, cardinality(s.sent) AS sent
        FROM enrollments e CROSS JOIN LATERAL (
          SELECT ARRAY(SELECT t.id::text FROM touches t
            WHERE t.org_id = e.org_id AND t.source_id = e.id AND t.contact_id = e.contact_id AND t.generation = e.generation
              AND t.state = 'sent' AND t.channel = 'email') AS sent) s
       WHERE (s.sent = '{}') <> (e.thread = '{}') OR cardinality(e.thread) > cardinality(s.sent)
          OR EXISTS (SELECT FROM unnest(e.thread) m(id) WHERE split_part(m.id, '.', 1) <> ALL (s.sent))`,
  },
  {
    invariant: 'I3',
    what: 'an enrollment was lost for want of a sender; no sender of a run is ever missing',
    sql: `
      SELECT e.id AS enrollment, e.org_id AS org, e.step_no FROM enrollments e WHERE e.status = 'failed' AND e.status_reason = 'no_sender'`,
  },
  {
    invariant: 'I3',
    what: 'enrollments and the events that tell of them differ',
    sql: `
      SELECT coalesce(e.org_id, v.org_id) AS org, coalesce(e.sequence_id, v.sequence_id) AS sequence, e.n AS enrolled, v.n AS told
        FROM (SELECT org_id, sequence_id, count(*)::int AS n FROM enrollments GROUP BY 1, 2) e
        FULL JOIN (SELECT org_id, sequence_id, count(*)::int AS n FROM events WHERE type = 'enrolled' GROUP BY 1, 2) v
          ON v.org_id = e.org_id AND v.sequence_id = e.sequence_id
       WHERE e.n IS DISTINCT FROM v.n`,
  },
  {
    invariant: 'I3',
    what: 'an end that no event tells of, or told twice',
    sql: `
      SELECT t.id AS touch, t.state, count(v.type)::int AS told FROM touches t
        LEFT JOIN events v ON v.org_id = t.org_id AND v.source_id = t.source_id AND v.touch_id = t.id AND v.type = t.state
       WHERE NOT t.live
       GROUP BY t.org_id, t.id, t.state
      HAVING count(v.type) <> 1`,
  },
  {
    invariant: 'I4',
    what: 'an outcome was settled under a token whose gate did not let that touch go',
    sql: `
      SELECT v.touch_id AS touch, v.type, v.token FROM events v
       WHERE v.type IN ('sent', 'failed', 'retry', 'not_started', 'unknown') AND v.touch_id IS NOT NULL
         AND NOT EXISTS (SELECT FROM gates g WHERE g.org_id = v.org_id AND g.token = v.token AND v.touch_id = ANY (g.touches))`,
  },
  {
    invariant: 'I4',
    what: 'one pass of the gate was settled more than once',
    sql: `
      SELECT v.touch_id AS touch, v.token, array_agg(v.type) AS types FROM events v
       WHERE v.type IN ${SETTLED_EVENTS} AND v.touch_id IS NOT NULL
       GROUP BY v.org_id, v.touch_id, v.token HAVING count(*) > 1`,
  },
  {
    invariant: 'I4',
    what: 'sent or failed under another token than the last gate wrote',
    sql: `
      SELECT t.id AS touch, t.state, t.token, v.token AS settled_under FROM touches t
        JOIN events v ON v.org_id = t.org_id AND v.source_id = t.source_id AND v.touch_id = t.id AND v.type IN ('sent', 'failed')
       WHERE v.token IS DISTINCT FROM t.token`,
  },
  {
    invariant: 'I4',
    what: 'a gate counts other touches in flight than there are',
    sql: `
      SELECT g.token, g.org_id AS org, g.open, f.n AS in_flight FROM gates g CROSS JOIN LATERAL (
          SELECT count(*)::int AS n FROM touches t
           WHERE t.org_id = g.org_id AND t.id = ANY (g.touches) AND t.token = g.token AND t.state IN ('sending', 'unknown')) f
       WHERE g.open <> f.n`,
  },
  {
    invariant: 'I5',
    what: 'an enrollment with more than one waiting touch, or active with none',
    sql: `
      SELECT e.id AS enrollment, e.org_id AS org, e.status, coalesce(w.n, 0) AS waiting, w.ids AS touches
        FROM enrollments e LEFT JOIN (
          SELECT t.org_id, t.source_id, t.contact_id, count(*)::int AS n, array_agg(t.id) AS ids FROM touches t
           WHERE t.state IN ('planned', 'sending', 'unknown') GROUP BY 1, 2, 3) w
          ON w.org_id = e.org_id AND w.source_id = e.id AND w.contact_id = e.contact_id
       WHERE w.n > 1 OR (e.status = 'active' AND (w.n IS DISTINCT FROM 1 OR w.ids[1] IS DISTINCT FROM e.live_touch))`,
  },
  {
    invariant: 'I8',
    what: 'the quota used is not what is sending, unknown and sent',
    sql: `
      WITH held AS (
        SELECT h.org_id, h.sender_id, p.value AS period, count(*)::int AS n
          FROM (${HOLDING}) h CROSS JOIN LATERAL jsonb_each_text(h.periods) p WHERE p.value IS NOT NULL GROUP BY 1, 2, 3)
      SELECT coalesce(u.sender_id, h.sender_id) AS sender, coalesce(u.period, h.period) AS period,
             coalesce(u.used - u.to_members, 0) AS used, coalesce(h.n, 0) AS held
        FROM sender_usage u FULL JOIN held h ON h.org_id = u.org_id AND h.sender_id = u.sender_id AND h.period = u.period
       WHERE coalesce(u.used - u.to_members, 0) <> coalesce(h.n, 0)`,
  },
  {
    invariant: 'I8',
    what: 'a sender over its limit',
    sql: `
      SELECT u.sender_id AS sender, u.period, u.used, CASE WHEN u.period LIKE 'd%' THEN s.daily_limit ELSE s.hourly_limit END AS limit
        FROM sender_usage u JOIN senders s ON s.org_id = u.org_id AND s.id = u.sender_id
       WHERE u.used > CASE WHEN u.period LIKE 'd%' THEN s.daily_limit ELSE s.hourly_limit END`,
  },
  {
    invariant: 'I13',
    what: 'a contact over its cap, or its count wrong',
    sql: `
      WITH held AS (
        SELECT h.org_id, h.contact_id, (h.rules ->> 'contact_day')::date AS day, count(*)::int AS n
          FROM (${HOLDING}) h WHERE h.rules ->> 'contact_day' IS NOT NULL GROUP BY 1, 2, 3)
      SELECT coalesce(u.contact_id, h.contact_id) AS contact, coalesce(u.day, h.day)::text AS day,
             coalesce(u.used, 0) AS used, coalesce(h.n, 0) AS held, o.contact_daily_cap AS cap
        FROM contact_usage u FULL JOIN held h ON h.org_id = u.org_id AND h.contact_id = u.contact_id AND h.day = u.day
        JOIN organizations o ON o.org_id = coalesce(u.org_id, h.org_id)
       WHERE coalesce(u.used, 0) <> coalesce(h.n, 0) OR u.used > o.contact_daily_cap`,
  },
  {
    invariant: 'I13',
    what: 'a contact over the cap of a channel, or its count wrong',
    sql: `
      WITH held AS (
        SELECT h.org_id, h.contact_id, h.channel, (h.rules ->> 'contact_day')::date AS day, count(*)::int AS n
          FROM (${HOLDING}) h WHERE h.rules -> 'capped_channels' ? h.channel GROUP BY 1, 2, 3, 4)
      SELECT coalesce(u.contact_id, h.contact_id) AS contact, coalesce(u.channel, h.channel) AS channel, coalesce(u.day, h.day)::text AS day,
             coalesce(u.used, 0) AS used, coalesce(h.n, 0) AS held, o.channel_caps
        FROM contact_channel_usage u
        FULL JOIN held h ON h.org_id = u.org_id AND h.contact_id = u.contact_id AND h.channel = u.channel AND h.day = u.day
        JOIN organizations o ON o.org_id = coalesce(u.org_id, h.org_id)
       WHERE coalesce(u.used, 0) <> coalesce(h.n, 0) OR u.used > (o.channel_caps -> u.channel ->> 'day')::int`,
  },
];

/** Rows shown of one rule; the count says how many there are. */
const SHOWN = 5;

export async function checkDatabase(client: Queryable): Promise<Violation[]> {
  const found: Violation[] = [];
  for (const rule of RULES) {
    const { rows } = await client.query(rule.sql);
    for (const row of rows.slice(0, SHOWN))
      found.push({ invariant: rule.invariant, what: rule.what, ...row, rows: rows.length });
  }
  return found;
}

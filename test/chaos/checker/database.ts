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
      SELECT e.id AS enrollment, e.org_id AS org, e.status, e.generation, e.at_step AS step_no, s.states
        FROM (SELECT e.*, x.at_step FROM enrollments e CROSS JOIN LATERAL generate_series(0, e.step_no) x(at_step)) e
        LEFT JOIN (
          SELECT t.org_id, t.source_id, t.contact_id, t.generation, t.step_no, array_agg(t.state ORDER BY t.n) AS states
            FROM touches t GROUP BY 1, 2, 3, 4, 5) s
          ON s.org_id = e.org_id AND s.source_id = e.id AND s.contact_id = e.contact_id AND s.generation = e.generation
             AND s.step_no = e.at_step
       WHERE s.states IS NULL
          OR ((e.at_step < e.step_no OR e.status = 'completed') AND NOT s.states && ARRAY['sent', 'skipped'])`,
  },
  {
    invariant: 'I3',
    what: 'the e-mails that were sent and those that the enrollment remembers differ',
    sql: `
      SELECT e.id AS enrollment, e.org_id AS org, cardinality(e.thread) AS remembered, coalesce(s.n, 0) AS sent
        FROM enrollments e LEFT JOIN (
          SELECT t.org_id, t.source_id, t.contact_id, t.generation, count(*)::int AS n FROM touches t
           WHERE t.state = 'sent' AND t.channel = 'email' GROUP BY 1, 2, 3, 4) s
          ON s.org_id = e.org_id AND s.source_id = e.id AND s.contact_id = e.contact_id AND s.generation = e.generation
       WHERE cardinality(e.thread) <> coalesce(s.n, 0)`,
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

-- settle: writes what became of a batch of one organization's touches, in one transaction and one round trip:
-- outcome, event, quota given back where nothing was accepted, the enrollment moved on and its next touch planned.
--
-- outcomes: from sending or unknown, fenced by the gate's token:
--   sent, failed, retry (-> planned), not_started (-> planned), unknown, retry_new_key (a person's: -> planned);
-- from planned: skipped (ends or moves its enrollment), postponed (another time), held (a Hold's mark), dropped
--   (its source has ended: cancelled).
-- The enrollment moves only while it is active and this touch is its live one: a late settle after a pause records
-- the truth and advances nothing. Returns one row: how many were written, those of them that were late (recorded, their
-- source had moved on), and, when some were not written, those that were. Not written is what another had won; or whose
-- next step was planned without knowing of a move to another version, or of channels to pass over: dispatch/replan.ts
-- plans it again, and says so with p_version.
CREATE OR REPLACE FUNCTION settle(
  p_org uuid,
  p_token uuid,
  p_actor text,
  p_touches uuid[],
  p_sources uuid[],
  p_outcomes text[],
  -- times are Unix milliseconds
  p_ats float8[],
  p_reasons text[],
  p_provider_ids text[],
  p_details text[],
  -- retry, postponed, unknown, not_started: when to look again
  p_wakes float8[],
  -- the status the enrollment ends with, if it ends
  p_ends text[],
  -- on a sent e-mail that opens a thread: its subject
  p_subjects text[],
  -- the touch to plan next, null where there is none
  p_next_ids uuid[],
  p_next_steps uuid[],
  p_next_nos int[],
  p_next_channels text[],
  p_next_modes text[],
  p_next_senders uuid[],
  p_next_from float8[],
  p_next_until float8[],
  p_now timestamptz DEFAULT NULL,
  -- planned again: the version that the enrollments are at, and which of its step each next touch is
  p_version uuid DEFAULT NULL,
  p_next_ns int[] DEFAULT NULL
) RETURNS TABLE (count int, late uuid[], written uuid[])
-- One plan a connection, and one look-up a row by key, however little the tables held when it was made: reading all of an
-- organization once and comparing looks cheaper to a planner that sees twelve contacts, and is kept when there are a million.
LANGUAGE plpgsql VOLATILE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
  SET enable_material = off AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz;
  v_give_back boolean := p_outcomes && ARRAY['failed', 'retry', 'not_started', 'retry_new_key'];
  v_hold boolean := 'held' = ANY (p_outcomes);
  -- What a batch has none of is not looked for row by row.
  v_ends boolean := array_remove(p_ends, NULL) <> '{}';
BEGIN
  EXECUTE format('SET LOCAL app.org = %L', p_org);
  -- A mark of a Hold must not land after the resume that ends it: the same lock classes as the gate.
  IF v_hold THEN
    PERFORM pg_advisory_xact_lock_shared(1, lock_key(p_org));
    PERFORM pg_advisory_xact_lock_shared(2, k.key) FROM (
      SELECT DISTINCT lock_bucket(p_org, t.sequence_id) AS key FROM touches t WHERE t.org_id = p_org AND t.id = ANY (p_touches) ORDER BY 1) k;
    PERFORM pg_advisory_xact_lock_shared(3, k.key) FROM (
      SELECT DISTINCT lock_bucket(p_org, t.sender_id) AS key FROM touches t WHERE t.org_id = p_org AND t.id = ANY (p_touches) ORDER BY 1) k;
  END IF;
  PERFORM FROM enrollments e WHERE e.org_id = p_org AND e.id = ANY (p_sources) ORDER BY e.id FOR UPDATE;
  IF v_give_back THEN
    PERFORM FROM sender_usage u
      JOIN gates g ON g.org_id = p_org AND g.token = p_token
     WHERE u.org_id = p_org AND g.rules -> 'senders' ? u.sender_id::text
       AND u.period IN (g.rules -> 'senders' -> u.sender_id::text ->> 'day', g.rules -> 'senders' -> u.sender_id::text ->> 'hour')
     ORDER BY u.sender_id, u.period FOR UPDATE OF u;
    PERFORM FROM contact_usage u
     WHERE u.org_id = p_org AND u.day = (SELECT (g.rules ->> 'contact_day')::date FROM gates g WHERE g.org_id = p_org AND g.token = p_token)
       AND u.contact_id IN (SELECT t.contact_id FROM touches t WHERE t.org_id = p_org AND t.id = ANY (p_touches))
     ORDER BY u.contact_id FOR UPDATE;
  END IF;
  PERFORM FROM touches t WHERE t.org_id = p_org AND t.id = ANY (p_touches) ORDER BY t.id FOR UPDATE;
  v_now := coalesce(p_now, clock_timestamp());

  RETURN QUERY
  WITH input AS (
    SELECT id, outcome, to_timestamp(at / 1000) AS at, reason, provider_id, detail, to_timestamp(wake / 1000) AS wake, ends, subject,
           next_id, next_step, next_no, next_channel, next_mode, next_sender, to_timestamp(next_from / 1000) AS next_from, to_timestamp(next_until / 1000) AS next_until,
           next_n
      FROM unnest(p_touches, p_outcomes, p_ats, p_reasons, p_provider_ids, p_details, p_wakes, p_ends, p_subjects,
        p_next_ids, p_next_steps, p_next_nos, p_next_channels, p_next_modes, p_next_senders, p_next_from, p_next_until, p_next_ns)
      u(id, outcome, at, reason, provider_id, detail, wake, ends, subject,
        next_id, next_step, next_no, next_channel, next_mode, next_sender, next_from, next_until, next_n)
  ), decided AS MATERIALIZED (
    -- Everything the writes below need, read once: joining the CTEs to each other again was 500 x 500 (measured: 15 times slower).
    -- What is locked stands still: the writes below find it by its place (ctid), without a look into an index each.
    SELECT i.*, t.ctid AS touch_at, e.ctid AS source_at, t.source_id, t.key_n, t.state AS was, t.contact_id, t.sequence_id, t.version_id, t.step_id, t.sender_id, t.generation, t.priority, t.channel,
      CASE WHEN i.outcome = 'not_started' THEN t.attempt - 1 ELSE t.attempt END AS attempt,
      e.status = 'active' AND e.live_touch = t.id AS moves,
      CASE
        WHEN i.outcome IN ('retry', 'not_started', 'postponed', 'retry_new_key') THEN CASE WHEN e.status = 'active' AND e.live_touch = t.id THEN 'planned' ELSE 'cancelled' END
        WHEN i.outcome = 'held' THEN 'planned'
        WHEN i.outcome = 'dropped' THEN 'cancelled'
        ELSE i.outcome END AS becomes
      FROM input i
      -- OFFSET 0: looked up by their keys, whatever the planner believes, as in the gate.
      CROSS JOIN LATERAL (SELECT x.ctid, x.* FROM touches x WHERE x.org_id = p_org AND x.id = i.id OFFSET 0) t
      CROSS JOIN LATERAL (SELECT x.ctid, x.* FROM enrollments x WHERE x.org_id = p_org AND x.id = t.source_id OFFSET 0) e
     WHERE CASE WHEN i.outcome IN ('skipped', 'postponed', 'held', 'dropped') THEN t.state = 'planned'
                ELSE t.state IN ('sending', 'unknown') AND t.token = p_token END
       -- a paused or re-planned enrollment's touch is not ours to end
       AND (i.outcome <> 'dropped' OR e.status <> 'active' OR e.live_touch <> t.id)
       -- A wait that is over after a pause is asked again when that ends: skipped here, a branch would have led nowhere.
       AND (i.outcome <> 'skipped' OR t.channel <> 'wait' OR e.status = 'active' AND e.live_touch = t.id)
       AND (e.status = 'active' AND e.live_touch = t.id AND (i.outcome = 'sent' OR i.next_id IS NOT NULL OR i.ends = 'completed')
            AND CASE WHEN p_version IS NULL THEN e.version_id <> t.version_id OR e.had_steps IS NOT NULL OR e.skip_channels IS NOT NULL
                     ELSE e.version_id <> p_version OR consent_channel(i.next_channel) = ANY (e.skip_channels) END) IS NOT TRUE
       AND (i.outcome <> 'held' OR CASE i.reason
             WHEN 'sequence_paused' THEN EXISTS (SELECT FROM sequences s WHERE s.org_id = p_org AND s.id = t.sequence_id AND s.status <> 'active')
             WHEN 'sender_paused' THEN EXISTS (SELECT FROM senders s WHERE s.org_id = p_org AND s.id = t.sender_id AND s.status <> 'active')
             ELSE EXISTS (SELECT FROM channel_switches w WHERE w.org_id = p_org AND w.channel = t.channel AND w.paused) END)
  ), touched AS (
    UPDATE touches t SET
        state = d.becomes,
        live = d.becomes IN ('planned', 'sending', 'unknown'),
        -- A person's touch that is planned again waits for the person; one that was put off falls due once more.
        wake_at = CASE WHEN d.outcome <> 'held' AND (d.becomes = 'unknown' OR d.becomes = 'planned' AND (t.mode = 'automatic' OR d.reason = 'snoozed')) THEN d.wake END,
        not_before = CASE WHEN d.outcome = 'postponed' THEN d.wake ELSE t.not_before END,
        not_after = CASE WHEN d.outcome IN ('postponed', 'retry', 'retry_new_key') THEN d.next_until ELSE t.not_after END,
        held_by = CASE WHEN d.outcome = 'held' THEN split_part(d.reason, '_', 1) END,
        attempt = d.attempt,
        key_n = CASE WHEN d.outcome = 'retry_new_key' THEN t.key_n + 1 ELSE t.key_n END,
        -- Whoever tells it now lived until now: what was looked up before, because its lease had run out, proves nothing. It is
        -- looked up at once, and as the second of two looks that would be too soon after the first (measured: sent twice).
        looks = CASE WHEN d.outcome = 'unknown' THEN 0 ELSE t.looks END,
        needs_review = false,
        reason = d.reason,
        provider_id = coalesce(d.provider_id, t.provider_id),
        detail = coalesce(d.detail, t.detail),
        settled_at = CASE WHEN d.becomes NOT IN ('planned', 'unknown') THEN d.at END
      FROM decided d
     WHERE t.org_id = p_org AND t.ctid = d.touch_at
    RETURNING t.id
  ), moved AS (
    UPDATE enrollments e SET
        status = CASE WHEN d.moves AND d.next_id IS NULL AND d.ends IS NOT NULL THEN d.ends ELSE e.status END,
        status_reason = CASE WHEN d.moves AND d.next_id IS NULL AND d.ends IS NOT NULL THEN coalesce(d.reason, 'last_step') ELSE e.status_reason END,
        ended_at = CASE WHEN d.moves AND d.next_id IS NULL AND d.ends IS NOT NULL THEN v_now ELSE e.ended_at END,
        ended_by = CASE WHEN d.moves AND d.next_id IS NULL AND d.ends IS NOT NULL THEN p_actor ELSE e.ended_by END,
        live_touch = CASE WHEN d.moves AND d.next_id IS NOT NULL THEN d.next_id ELSE e.live_touch END,
        step_id = CASE WHEN d.moves AND d.next_id IS NOT NULL THEN d.next_step ELSE e.step_id END,
        step_no = CASE WHEN d.moves AND d.next_id IS NOT NULL THEN d.next_no ELSE e.step_no END,
        -- With a subject it opens a thread; without one it goes on with what there is. Nothing is late here: while a touch is
        -- in flight, its enrollment goes past it in no way.
        thread = CASE WHEN d.outcome = 'sent' AND d.channel = 'email' THEN CASE WHEN d.subject IS NULL THEN e.thread ELSE '{}' END || (d.id::text || '.' || d.key_n) ELSE e.thread END,
        thread_subject = coalesce(d.subject, e.thread_subject),
        updated_at = v_now
      FROM decided d
     WHERE e.org_id = p_org AND e.ctid = d.source_at AND (d.outcome = 'sent' OR (d.moves AND (d.next_id IS NOT NULL OR d.ends IS NOT NULL)))
  ), planned AS (
    INSERT INTO touches (org_id, id, source_id, sequence_id, version_id, step_id, step_no, generation, n, contact_id, sender_id,
        channel, mode, priority, wake_at, not_before, not_after, planned_by, created_at)
    SELECT p_org, d.next_id, d.source_id, d.sequence_id, coalesce(p_version, d.version_id), d.next_step, d.next_no, d.generation, coalesce(d.next_n, 1),
        d.contact_id, d.next_sender, d.next_channel, d.next_mode, d.priority,
        d.next_from, d.next_from, d.next_until, p_actor, v_now
      FROM decided d
     -- the count makes the old touches leave touches_live before the new ones enter it
     WHERE d.moves AND d.next_id IS NOT NULL AND (SELECT count(*) FROM touched) > 0
  ), told AS (
    INSERT INTO events (org_id, at, type, reason, source_id, touch_id, contact_id, sequence_id, step_id, sender_id, attempt, token, actor)
    SELECT p_org, d.at, CASE WHEN d.becomes = 'cancelled' THEN 'cancelled' WHEN d.outcome = 'retry_new_key' THEN 'retry' ELSE d.outcome END, d.reason,
           d.source_id, d.id, d.contact_id, d.sequence_id, d.step_id, d.sender_id, d.attempt, p_token, p_actor
      FROM decided d
    UNION ALL
    SELECT p_org, v_now, d.ends, d.reason, d.source_id, NULL, d.contact_id, d.sequence_id, d.step_id, d.sender_id, NULL, NULL, p_actor
      FROM decided d
     WHERE v_ends AND d.moves AND d.next_id IS NULL AND d.ends IS NOT NULL
  ), bounced AS (
    -- an address that is none, or whose owner has told the provider to stop
    INSERT INTO suppressions (org_id, kind, address, reason, source, contact_id, touch_id, created_at)
    SELECT p_org, address_kind(d.channel), a.address, CASE d.ends WHEN 'bounced' THEN 'hard_bounce' ELSE 'unsubscribe' END, d.reason, c.id, d.id, d.at
      FROM decided d JOIN contacts c ON c.org_id = p_org AND c.id = d.contact_id
      CROSS JOIN LATERAL (SELECT contact_address(d.channel, c.email, c.phone, c.whatsapp, c.telegram, NULL) AS address) a
     WHERE v_ends AND d.becomes = 'failed' AND d.ends IN ('bounced', 'unsubscribed') AND a.address IS NOT NULL
     ORDER BY 2, 3
    ON CONFLICT (org_id, kind, address) DO NOTHING
  ), closed AS (
    UPDATE gates g SET open = g.open - n.n
      FROM (SELECT count(*)::int AS n FROM decided d WHERE d.was IN ('sending', 'unknown') AND d.becomes <> 'unknown') n
     WHERE g.org_id = p_org AND g.token = p_token AND n.n > 0
  ), back AS (
    -- Its day keeps how many failed for good, for its circuit breaker: neither a stop that the recipient asked for nor a
    -- plan that led nowhere says anything about the sender.
    UPDATE sender_usage u SET used = u.used - n.n, failed = u.failed + CASE WHEN u.period LIKE 'd%' AND (g.gated_at < u.anew_at) IS NOT TRUE THEN n.failed ELSE 0 END,
           bounced = u.bounced + CASE WHEN u.period LIKE 'd%' AND (g.gated_at < u.anew_at) IS NOT TRUE THEN n.bounced ELSE 0 END,
           -- let go before its record began anew: it was no part of that, nor is what became of it
           sends_before = u.sends_before - CASE WHEN g.gated_at < u.anew_at THEN n.n ELSE 0 END
      FROM (SELECT d.sender_id, count(*)::int AS n,
              count(*) FILTER (WHERE d.outcome = 'failed' AND d.ends IS DISTINCT FROM 'unsubscribed' AND d.reason IS DISTINCT FROM 'bad_schedule')::int AS failed,
              count(*) FILTER (WHERE d.outcome = 'failed' AND d.ends = 'bounced')::int AS bounced
         FROM decided d WHERE v_give_back AND d.outcome IN ('failed', 'retry', 'not_started', 'retry_new_key') GROUP BY 1) n
      JOIN gates g ON g.org_id = p_org AND g.token = p_token
     WHERE u.org_id = p_org AND u.sender_id = n.sender_id
       AND u.period IN (g.rules -> 'senders' -> n.sender_id::text ->> 'day', g.rules -> 'senders' -> n.sender_id::text ->> 'hour')
  ), contact_back AS (
    UPDATE contact_usage u SET used = u.used - n.n
      FROM (SELECT d.contact_id, count(*)::int AS n FROM decided d WHERE v_give_back AND d.outcome IN ('failed', 'retry', 'not_started', 'retry_new_key') GROUP BY 1) n
     WHERE v_give_back AND u.org_id = p_org AND u.contact_id = n.contact_id
       AND u.day = (SELECT (g.rules ->> 'contact_day')::date FROM gates g WHERE g.org_id = p_org AND g.token = p_token)
  ), channel_back AS (
    -- only what its gate counted: the cap may be newer
    UPDATE contact_channel_usage u SET used = u.used - n.n
      FROM (SELECT d.contact_id, d.channel, count(*)::int AS n FROM decided d WHERE v_give_back AND d.outcome IN ('failed', 'retry', 'not_started', 'retry_new_key') GROUP BY 1, 2) n
      JOIN gates g ON g.org_id = p_org AND g.token = p_token AND g.rules -> 'capped_channels' ? n.channel
     WHERE v_give_back AND u.org_id = p_org AND u.contact_id = n.contact_id AND u.channel = n.channel AND u.day = (g.rules ->> 'contact_day')::date
  )
  SELECT count(*)::int, array_agg(d.id) FILTER (WHERE NOT d.moves),
         CASE WHEN count(*) < cardinality(p_touches) THEN coalesce(array_agg(d.id), '{}') END FROM decided d;
END $$;

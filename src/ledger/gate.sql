-- gate: the point of no return, planned -> sending, for a batch of one organization's touches, in one round trip.
-- In: what the worker composed, with the versions it composed from. Out: one row, with a verdict for each touch in the
-- order they were given; the provider may be called for those that say `go`, and for no other.
--
-- 1. locks: advisory (shared), usage rows, touches; 2. in a LATER statement, which under READ COMMITTED sees every
-- stop committed before those locks were got, all that decides; 3. one update for those that pass.
-- Without the later statement a pause acknowledged between snapshot and lock still sends (measured: 30 in 7,143).
DROP FUNCTION IF EXISTS gate(uuid, text, uuid, int, int, int, uuid[], int[], int[], uuid[], json, uuid[], uuid[], text[], text[], timestamptz[],
  timestamptz[], date, timestamptz, timestamptz, boolean, timestamptz, uuid[], text[]);

-- suppression_verdict: what the gate says of an address that is suppressed: who did not want it may have left one channel,
-- which others outlast; an address that is none, or whose owner complained, ends it.
CREATE OR REPLACE FUNCTION suppression_verdict(p_org uuid, p_kind text, p_address text) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT CASE x.reason WHEN 'hard_bounce' THEN 'address_bounced' WHEN 'complaint' THEN 'address_complained' ELSE 'suppressed' END
    FROM suppressions x WHERE x.org_id = p_org AND x.kind = p_kind AND x.address = p_address
$$;

CREATE OR REPLACE FUNCTION gate(
  p_org uuid,
  p_worker text,
  p_token uuid,
  p_lease_ms int,
  p_budget_ms int,
  p_policy_version int,
  -- a touch each
  p_touches uuid[],
  p_contact_versions int[],
  p_sender_versions int[],
  p_hashes uuid[],
  -- {touch: {value: text}}: what was composed in, kept with the gate
  p_contents json,
  -- distinct
  p_sequences uuid[],
  -- a sender each: its day and hour (null without an hourly limit), and from when until when both hold
  p_senders uuid[],
  p_days text[],
  p_hours text[],
  p_from timestamptz[],
  p_until timestamptz[],
  -- the organization's day, and from when until when it is; null when it has no frequency cap
  p_contact_day date,
  p_contact_from timestamptz,
  p_contact_until timestamptz,
  -- reconciling a class K provider: the touches are `unknown` and the same bytes go again under the same key
  p_resend boolean DEFAULT false,
  p_now timestamptz DEFAULT NULL,
  -- those of the senders that keep a gap between two sends
  p_gapped uuid[] DEFAULT '{}',
  -- channels with a frequency cap of their own
  p_capped_channels text[] DEFAULT '{}',
  -- a touch each: the arm of its step; null when none of them has arms
  p_variants text[] DEFAULT NULL
) RETURNS TABLE (at timestamptz, verdicts text[], attempts int[], key_ns int[])
-- One plan a connection, and one look-up a row by key, however little the tables held when it was made: reading all of an
-- organization once and comparing looks cheaper to a planner that sees twelve contacts, and is kept when there are a million.
LANGUAGE plpgsql VOLATILE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
  SET enable_material = off AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz;
  v_ords bigint[];
  v_verdicts text[];
  v_attempts int[];
  v_keys int[];
  v_go uuid[];
  v_places tid[];
  v_rules jsonb;
  v_day date;
BEGIN
  EXECUTE format('SET LOCAL app.org = %L', p_org);

  PERFORM pg_advisory_xact_lock_shared(1, lock_key(p_org));
  PERFORM pg_advisory_xact_lock_shared(2, k.key)
    FROM (SELECT DISTINCT lock_bucket(p_org, s) AS key FROM unnest(p_sequences) s ORDER BY 1) k;
  PERFORM pg_advisory_xact_lock_shared(3, k.key)
    FROM (SELECT DISTINCT lock_bucket(p_org, s) AS key FROM unnest(p_senders) s ORDER BY 1) k;

  INSERT INTO sender_usage (org_id, sender_id, period)
    SELECT p_org, u.sender, u.period
      FROM (SELECT s.sender, s.day AS period FROM unnest(p_senders, p_days) s(sender, day)
            UNION ALL
            SELECT s.sender, s.hour FROM unnest(p_senders, p_hours) s(sender, hour) WHERE s.hour IS NOT NULL
            UNION ALL
            SELECT s.sender, 'gap' FROM unnest(p_gapped) s(sender)) u
     WHERE NOT EXISTS (SELECT FROM sender_usage x WHERE x.org_id = p_org AND x.sender_id = u.sender AND x.period = u.period)
     ORDER BY 2, 3
    ON CONFLICT DO NOTHING;
  PERFORM FROM sender_usage u
    WHERE u.org_id = p_org AND u.sender_id = ANY (p_senders) AND (u.period = ANY (p_days) OR u.period = ANY (p_hours) OR u.period = 'gap' AND u.sender_id = ANY (p_gapped))
    ORDER BY u.sender_id, u.period FOR UPDATE;

  IF p_contact_day IS NOT NULL THEN
    -- Where a week is capped, yesterday's rows too: a gate of another connection may still be counting there while this one,
    -- on the other side of midnight, adds the week up. Whoever comes second of those of yesterday is `stale` by then.
    FOREACH v_day IN ARRAY (SELECT CASE WHEN o.contact_weekly_cap IS NOT NULL OR jsonb_path_exists(o.channel_caps, '$.*.week ? (@ != null)')
        THEN ARRAY[p_contact_day - 1, p_contact_day] ELSE ARRAY[p_contact_day] END FROM organizations o WHERE o.org_id = p_org)
    LOOP
      INSERT INTO contact_usage (org_id, contact_id, day)
        SELECT DISTINCT p_org, t.contact_id, v_day FROM touches t
         WHERE t.org_id = p_org AND t.id = ANY (p_touches) ORDER BY 2
        ON CONFLICT DO NOTHING;
      PERFORM FROM contact_usage u
        WHERE u.org_id = p_org AND u.day = v_day
          AND u.contact_id IN (SELECT t.contact_id FROM touches t WHERE t.org_id = p_org AND t.id = ANY (p_touches))
        ORDER BY u.contact_id FOR UPDATE;
    END LOOP;
  END IF;

  PERFORM FROM touches t WHERE t.org_id = p_org AND t.id = ANY (p_touches) ORDER BY t.id FOR UPDATE;

  v_now := coalesce(p_now, clock_timestamp());

  WITH org AS MATERIALIZED (
    SELECT o.status, o.sending_paused, o.policy_version, o.consent_required, o.contact_daily_cap, o.contact_weekly_cap, o.channel_caps,
           ARRAY(SELECT w.channel FROM channel_switches w WHERE w.org_id = p_org AND w.paused) AS paused_channels
      FROM organizations o WHERE o.org_id = p_org
  ), sender AS MATERIALIZED (
    SELECT s.id, s.status, s.version, p.day, p.hour, v_now >= p.valid_from AND v_now < p.valid_until AS in_period,
           s.hourly_limit IS NOT NULL AND p.hour IS NULL OR g.gapped AND s.id <> ALL (p_gapped) AS hour_missing,
           g.gapped, s.min_gap_s, s.max_gap_s,
           CASE WHEN g.gapped THEN (SELECT u.gap_from FROM sender_usage u WHERE u.org_id = p_org AND u.sender_id = s.id AND u.period = 'gap') END AS gap_from,
           r.ramp_limit < coalesce(s.daily_limit, 2147483647) AS ramping,
           least(s.daily_limit, r.ramp_limit) - (SELECT u.used FROM sender_usage u WHERE u.org_id = p_org AND u.sender_id = s.id AND u.period = p.day) AS day_left,
           s.hourly_limit - (SELECT u.used FROM sender_usage u WHERE u.org_id = p_org AND u.sender_id = s.id AND u.period = p.hour) AS hour_left
      FROM unnest(p_senders, p_days, p_hours, p_from, p_until) p(id, day, hour, valid_from, valid_until)
      JOIN senders s ON s.org_id = p_org AND s.id = p.id
      CROSS JOIN LATERAL (SELECT coalesce(s.max_gap_s, s.min_gap_s, 0) > 0 AS gapped) g
      CROSS JOIN LATERAL (SELECT CASE WHEN s.ramp IS NOT NULL THEN ramp_limit(p_org, s.id, s.ramp, p.day) END AS ramp_limit) r
  ), decided AS MATERIALIZED (
    -- Not EXISTS: of that the planner may make a list of all suppressions, read and hashed for every batch.
    SELECT i.ord, t.id, t.ctid AS place, t.attempt, t.sender_id, t.contact_id, t.channel, sd.day_left, sd.hour_left, sd.ramping, sd.gapped IS TRUE AS gapped,
      -- The same bytes once more keep the least gap: their own may be longer than the others ever leave.
      CASE WHEN sd.gapped THEN coalesce(v_now < sd.gap_from + interval '1 millisecond'
        * sender_gap(t.id, sd.min_gap_s, CASE WHEN p_resend THEN sd.min_gap_s ELSE sd.max_gap_s END), false) ELSE false END AS waits,
      -- Bytes freeze under a key: other bytes get another key, which only a planned touch may (nothing was accepted).
      CASE WHEN t.hash <> i.hash THEN t.key_n + 1 ELSE t.key_n END AS key_n,
      CASE
        WHEN t.state IS DISTINCT FROM (CASE WHEN p_resend THEN 'unknown' ELSE 'planned' END) THEN 'gone'
        WHEN e.status <> 'active' OR e.live_touch <> t.id THEN 'source_ended'
        WHEN org.status <> 'active' OR org.sending_paused THEN 'organization_paused'
        WHEN t.channel = ANY (org.paused_channels) THEN 'channel_paused'
        WHEN s.status <> 'active' THEN 'sequence_paused'
        WHEN t.sender_id IS NOT NULL AND sd.status IS DISTINCT FROM 'active' THEN 'sender_paused'
        WHEN t.held_by IS NOT NULL THEN 'held'
        WHEN t.not_before > v_now THEN 'early'
        WHEN t.not_after < v_now + p_budget_ms * interval '1 millisecond' THEN 'window_closed'
        WHEN address_kind(t.channel) IS NOT NULL AND contact_address(t.channel, c.email, c.phone, c.whatsapp, c.telegram, c.linkedin) IS NULL THEN 'no_address'
        WHEN (SELECT x.address FROM suppressions x WHERE x.org_id = p_org AND x.kind = address_kind(t.channel)
          AND x.address = contact_address(t.channel, c.email, c.phone, c.whatsapp, c.telegram, c.linkedin)) IS NOT NULL
          -- Why is read of those alone that are.
          THEN suppression_verdict(p_org, address_kind(t.channel), contact_address(t.channel, c.email, c.phone, c.whatsapp, c.telegram, c.linkedin))
        WHEN k.status = 'revoked' THEN 'opted_out'
        WHEN k.status IS NULL AND consent_channel(t.channel) = ANY (org.consent_required) THEN 'no_consent'
        WHEN p_resend AND t.hash <> i.hash THEN 'bytes_differ'
        WHEN c.version <> i.contact_version AND NOT p_resend THEN 'stale'
        WHEN sd.version <> i.sender_version OR org.policy_version <> p_policy_version OR NOT sd.in_period OR sd.hour_missing THEN 'stale'
        WHEN v_now < p_contact_from OR v_now >= p_contact_until THEN 'stale'
      END AS refusal,
      CASE WHEN p_contact_day IS NOT NULL THEN
        org.contact_daily_cap - (SELECT u.used FROM contact_usage u WHERE u.org_id = p_org AND u.contact_id = t.contact_id AND u.day = p_contact_day)
      END AS contact_left,
      CASE WHEN p_contact_day IS NOT NULL AND org.contact_weekly_cap IS NOT NULL THEN
        org.contact_weekly_cap - (SELECT sum(u.used) FROM contact_usage u
          WHERE u.org_id = p_org AND u.contact_id = t.contact_id AND u.day > p_contact_day - 7 AND u.day <= p_contact_day)
      END AS contact_left_week,
      CASE WHEN t.channel = ANY (p_capped_channels) THEN (org.channel_caps -> t.channel ->> 'day')::int - coalesce((SELECT u.used FROM contact_channel_usage u
          WHERE u.org_id = p_org AND u.contact_id = t.contact_id AND u.channel = t.channel AND u.day = p_contact_day), 0)
      END AS channel_left,
      CASE WHEN t.channel = ANY (p_capped_channels) THEN (org.channel_caps -> t.channel ->> 'week')::int - coalesce((SELECT sum(u.used) FROM contact_channel_usage u
          WHERE u.org_id = p_org AND u.contact_id = t.contact_id AND u.channel = t.channel AND u.day > p_contact_day - 7 AND u.day <= p_contact_day), 0)
      END AS channel_left_week
      FROM unnest(p_touches, p_contact_versions, p_sender_versions, p_hashes) WITH ORDINALITY
           i(id, contact_version, sender_version, hash, ord)
      CROSS JOIN org
      -- OFFSET 0: each is looked up by its key, in this order, whatever the planner believes. A plan of an hour with three
      -- touches otherwise reads the organization's touches for each of its contacts (1,000 of both: three seconds a batch).
      CROSS JOIN LATERAL (SELECT x.ctid, x.* FROM touches x WHERE x.org_id = p_org AND x.id = i.id OFFSET 0) t
      CROSS JOIN LATERAL (SELECT x.* FROM enrollments x WHERE x.org_id = p_org AND x.id = t.source_id OFFSET 0) e
      CROSS JOIN LATERAL (SELECT x.* FROM sequences x WHERE x.org_id = p_org AND x.id = t.sequence_id OFFSET 0) s
      CROSS JOIN LATERAL (SELECT x.* FROM contacts x WHERE x.org_id = p_org AND x.id = t.contact_id OFFSET 0) c
      LEFT JOIN sender sd ON sd.id = t.sender_id
      LEFT JOIN LATERAL (SELECT x.status FROM consents x
        WHERE x.org_id = p_org AND x.contact_id = t.contact_id AND x.channel = consent_channel(t.channel) ORDER BY x.id DESC LIMIT 1) k ON true
  ), capped AS (
    -- The cap that keeps it longest is the one that binds. Both ranks come from one sort.
    SELECT d.*, CASE
        WHEN d.refusal IS NOT NULL OR p_resend THEN d.refusal
        WHEN d.contact_left_week < d.nth THEN 'frequency_cap_week'
        WHEN d.channel_left_week < d.nth_of_channel THEN 'channel_cap_week'
        WHEN d.contact_left < d.nth THEN 'frequency_cap'
        WHEN d.channel_left < d.nth_of_channel THEN 'channel_cap'
      END AS refusal2
      FROM (SELECT x.*, row_number() OVER (PARTITION BY x.contact_id, x.refusal IS NULL ORDER BY x.channel, x.ord) AS nth,
              row_number() OVER (PARTITION BY x.contact_id, x.refusal IS NULL, x.channel ORDER BY x.ord) AS nth_of_channel FROM decided x) d
  ), ranked AS (
    SELECT c.*, row_number() OVER (PARTITION BY c.sender_id, c.refusal2 IS NULL ORDER BY c.waits, c.ord) AS rank FROM capped c
  ), verdicts AS (
    SELECT r.ord, r.id, r.place, r.attempt, r.key_n,
      CASE WHEN r.refusal2 IS NOT NULL THEN r.refusal2
           WHEN r.ramping AND r.rank > r.day_left AND NOT p_resend THEN 'sender_ramp'
           WHEN r.rank > r.day_left AND NOT p_resend THEN 'quota_day'
           WHEN r.rank > r.hour_left AND NOT p_resend THEN 'quota_hour'
           WHEN r.gapped AND (r.waits OR r.rank > 1) THEN 'sender_gap'
           ELSE 'go' END AS verdict
      FROM ranked r
  )
  SELECT array_agg(v.ord ORDER BY v.ord), array_agg(v.verdict ORDER BY v.ord), array_agg(v.attempt + 1 ORDER BY v.ord), array_agg(v.key_n ORDER BY v.ord),
         array_agg(v.id ORDER BY v.ord) FILTER (WHERE v.verdict = 'go'), array_agg(v.place ORDER BY v.ord)
    INTO v_ords, v_verdicts, v_attempts, v_keys, v_go, v_places
    FROM verdicts v;
  IF cardinality(v_ords) IS DISTINCT FROM cardinality(p_touches) THEN
    SELECT array_agg(coalesce(v_verdicts[p.n], 'gone') ORDER BY o.ord), array_agg(v_attempts[p.n] ORDER BY o.ord),
           array_agg(v_keys[p.n] ORDER BY o.ord), array_agg(v_places[p.n] ORDER BY o.ord)
      INTO v_verdicts, v_attempts, v_keys, v_places
      FROM generate_series(1, cardinality(p_touches)) o(ord) CROSS JOIN LATERAL array_position(v_ords, o.ord::bigint) p(n);
  END IF;

  IF v_go IS NOT NULL AND p_resend THEN
    -- The quota of the first time still holds (the caller resends one old gate's touches at a time); the touches
    -- only move from that gate to this one.
    SELECT g.rules INTO v_rules FROM gates g JOIN touches t ON t.org_id = p_org AND t.id = v_go[1]
     WHERE g.org_id = p_org AND g.token = t.token;
    UPDATE gates g SET open = g.open - n.n
      FROM (SELECT t.token, count(*)::int AS n FROM touches t WHERE t.org_id = p_org AND t.id = ANY (v_go) GROUP BY 1) n
     WHERE g.org_id = p_org AND g.token = n.token;
    -- gated_at stays: a key's life at the provider counts from its first use.
    UPDATE touches t SET state = 'sending', token = p_token, attempt = t.attempt + 1, wake_at = CASE WHEN t.mode = 'automatic' THEN t.wake_at END
     WHERE t.org_id = p_org AND t.id = ANY (v_go);
  ELSIF v_go IS NOT NULL THEN
    WITH going AS (
      -- The looks at an earlier call prove nothing about this one. What a person took up may stay so for a day: in the due
      -- index its lane would be taken for it again and again.
      UPDATE touches t SET state = 'sending', token = p_token, attempt = t.attempt + 1, gated_at = v_now, looks = 0,
             wake_at = CASE WHEN t.mode = 'automatic' THEN t.wake_at END, hash = i.hash, key_n = CASE WHEN t.hash <> i.hash THEN t.key_n + 1 ELSE t.key_n END
        -- What is locked stands still, and is found by its place without a look into the index.
        FROM unnest(v_places, p_hashes, v_verdicts) i(place, hash, verdict)
       WHERE t.org_id = p_org AND t.ctid = i.place AND i.verdict = 'go'
      RETURNING t.sender_id, t.contact_id
    ), used AS (
      UPDATE sender_usage u SET used = u.used + g.n
        FROM (SELECT going.sender_id, count(*)::int AS n FROM going GROUP BY 1) g
        JOIN unnest(p_senders, p_days, p_hours) p(id, day, hour) ON p.id = g.sender_id
       WHERE u.org_id = p_org AND u.sender_id = g.sender_id AND (u.period = p.day OR u.period = p.hour)
    )
    UPDATE contact_usage u SET used = u.used + g.n
      FROM (SELECT going.contact_id, count(*)::int AS n FROM going GROUP BY 1) g
     WHERE p_contact_day IS NOT NULL AND u.org_id = p_org AND u.contact_id = g.contact_id AND u.day = p_contact_day;
  END IF;

  IF v_go IS NOT NULL AND p_capped_channels <> '{}' AND NOT p_resend THEN
    INSERT INTO contact_channel_usage AS u (org_id, contact_id, channel, day, used)
      SELECT p_org, t.contact_id, t.channel, p_contact_day, count(*)::int FROM touches t
       WHERE t.org_id = p_org AND t.id = ANY (v_go) AND t.channel = ANY (p_capped_channels) GROUP BY 2, 3 ORDER BY 2, 3
    ON CONFLICT (org_id, contact_id, channel, day) DO UPDATE SET used = u.used + excluded.used;
  END IF;

  IF v_go IS NOT NULL AND p_gapped <> '{}' THEN
    -- From the last moment at which the call may begin: so the next one cannot begin sooner after it than its gap.
    UPDATE sender_usage u SET gap_from = v_now + p_budget_ms * interval '1 millisecond'
     WHERE u.org_id = p_org AND u.period = 'gap' AND u.sender_id = ANY (p_gapped)
       AND u.sender_id IN (SELECT t.sender_id FROM touches t WHERE t.org_id = p_org AND t.id = ANY (v_go));
  END IF;

  IF v_go IS NOT NULL THEN
    INSERT INTO gates (org_id, token, worker, gated_at, lease_until, touches, open, contents, rules)
      VALUES (p_org, p_token, p_worker, v_now, v_now + p_lease_ms * interval '1 millisecond', v_go, cardinality(v_go), p_contents,
        coalesce(v_rules, jsonb_build_object('policy_version', p_policy_version, 'contact_day', p_contact_day, 'capped_channels', CASE WHEN p_capped_channels <> '{}' THEN to_jsonb(p_capped_channels) END, 'senders',
          (SELECT jsonb_object_agg(p.id, jsonb_build_object('day', p.day, 'hour', p.hour)) FROM unnest(p_senders, p_days, p_hours) p(id, day, hour)))));
  END IF;

  IF v_go IS NOT NULL AND p_variants IS NOT NULL THEN
    -- The arm that it first went with stays: the same bytes go again, and a retry composes it again.
    INSERT INTO touch_variants (org_id, step_id, touch_id, contact_id, variant)
      SELECT p_org, t.step_id, t.id, t.contact_id, i.variant FROM unnest(p_touches, p_variants) i(id, variant)
        JOIN touches t ON t.id = i.id AND t.org_id = p_org
       WHERE i.variant IS NOT NULL AND i.id = ANY (v_go) ORDER BY 2, 3
    ON CONFLICT DO NOTHING;
  END IF;

  RETURN QUERY SELECT v_now, v_verdicts, v_attempts, v_keys;
END $$;

-- member_mail_begin: the point of no return of a message to a member: a code that proves an address, or a test. One round
-- trip, under the locks that the gate takes, so that whoever has a stop acknowledged has it for these too. Out: one row;
-- the provider may be called only on `go`, and for no other address than the one it names: nobody hands one in.
CREATE OR REPLACE FUNCTION member_mail_begin(
  p_org uuid,
  p_id uuid,
  p_member uuid,
  -- 'code' to `p_address`, which it shall prove; 'test' to the member's own address of the kind that was verified last
  p_purpose text,
  p_kind text,
  p_address uuid,
  p_code_hash bytea,
  p_code_life_ms int,
  p_channel text,
  p_sender uuid,
  p_sender_version int,
  -- the sender's day and hour (null without an hourly limit), and from when until when both hold
  p_day text,
  p_hour text,
  p_gapped boolean,
  p_from timestamptz,
  p_until timestamptz,
  p_budget_ms int,
  -- in an hour: messages of the organization, codes of the member
  p_per_hour int,
  p_codes_per_hour int,
  p_now timestamptz DEFAULT NULL
) RETURNS TABLE (verdict text, address text)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz;
  v_verdict text;
  v_address text;
BEGIN
  EXECUTE format('SET LOCAL app.org = %L', p_org);
  PERFORM pg_advisory_xact_lock_shared(1, lock_key(p_org));
  PERFORM pg_advisory_xact_lock_shared(3, lock_bucket(p_org, p_sender));
  -- What is counted below is counted by one at a time.
  PERFORM pg_advisory_xact_lock(6, lock_key(p_org));
  INSERT INTO sender_usage (org_id, sender_id, period)
    SELECT p_org, p_sender, u.period FROM unnest(ARRAY[p_day, p_hour, CASE WHEN p_gapped THEN 'gap' END]) u(period)
      JOIN senders s ON s.org_id = p_org AND s.id = p_sender
     WHERE u.period IS NOT NULL ORDER BY 3
  ON CONFLICT DO NOTHING;
  PERFORM FROM sender_usage u
    WHERE u.org_id = p_org AND u.sender_id = p_sender AND (u.period = p_day OR u.period = p_hour OR u.period = 'gap' AND p_gapped)
    ORDER BY u.period FOR UPDATE;
  v_now := coalesce(p_now, clock_timestamp());

  -- A later statement than the locks: it sees every stop that was committed before they were got.
  SELECT a.address INTO v_address
    FROM member_addresses a JOIN members m ON m.org_id = p_org AND m.id = a.member_id AND m.disabled_at IS NULL
   WHERE a.org_id = p_org AND a.member_id = p_member AND a.kind = p_kind
     AND CASE WHEN p_purpose = 'code' THEN a.id = p_address ELSE a.verified_at IS NOT NULL END
   ORDER BY a.verified_at DESC, a.id DESC LIMIT 1;
  SELECT CASE
      WHEN v_address IS NULL THEN 'no_verified_address'
      WHEN o.status <> 'active' OR o.sending_paused THEN 'organization_paused'
      WHEN EXISTS (SELECT FROM channel_switches w WHERE w.org_id = p_org AND w.channel = p_channel AND w.paused) THEN 'channel_paused'
      WHEN s.status <> 'active' THEN 'sender_paused'
      WHEN EXISTS (SELECT FROM suppressions x WHERE x.org_id = p_org AND x.kind = address_kind(p_channel) AND x.address = v_address) THEN 'suppressed'
      WHEN s.version <> p_sender_version OR s.channel <> p_channel OR v_now < p_from OR v_now >= p_until
        OR s.hourly_limit IS NOT NULL AND p_hour IS NULL OR g.gapped <> p_gapped THEN 'stale'
      WHEN p_per_hour <= (SELECT count(*) FROM member_mail l WHERE l.org_id = p_org AND l.begun_at > v_now - interval '1 hour') THEN 'member_mail_rate'
      WHEN p_purpose = 'code' AND p_codes_per_hour <= (SELECT count(*) FROM member_mail l
        WHERE l.org_id = p_org AND l.begun_at > v_now - interval '1 hour' AND l.member_id = p_member AND l.purpose = 'code') THEN 'code_rate'
      WHEN r.ramp_limit < coalesce(s.daily_limit, 2147483647) AND d.used >= r.ramp_limit THEN 'sender_ramp'
      WHEN d.used >= s.daily_limit THEN 'quota_day'
      WHEN s.hourly_limit <= (SELECT u.used FROM sender_usage u WHERE u.org_id = p_org AND u.sender_id = p_sender AND u.period = p_hour) THEN 'quota_hour'
      WHEN v_now < (SELECT u.gap_from FROM sender_usage u WHERE g.gapped AND u.org_id = p_org AND u.sender_id = p_sender AND u.period = 'gap')
        + interval '1 millisecond' * sender_gap(p_id, s.min_gap_s, s.max_gap_s) THEN 'sender_gap'
      ELSE 'go' END
    INTO v_verdict
    FROM organizations o
    JOIN senders s ON s.org_id = p_org AND s.id = p_sender
    JOIN sender_usage d ON d.org_id = p_org AND d.sender_id = p_sender AND d.period = p_day
    CROSS JOIN LATERAL (SELECT coalesce(s.max_gap_s, s.min_gap_s, 0) > 0 AS gapped) g
    CROSS JOIN LATERAL (SELECT CASE WHEN s.ramp IS NOT NULL THEN ramp_limit(p_org, s.id, s.ramp, p_day) END AS ramp_limit) r
   WHERE o.org_id = p_org;

  IF v_verdict = 'go' THEN
    UPDATE sender_usage u SET used = u.used + 1, to_members = u.to_members + 1
     WHERE u.org_id = p_org AND u.sender_id = p_sender AND (u.period = p_day OR u.period = p_hour);
    -- As the gate does: from the last moment at which the call may begin.
    UPDATE sender_usage u SET gap_from = v_now + p_budget_ms * interval '1 millisecond'
     WHERE p_gapped AND u.org_id = p_org AND u.sender_id = p_sender AND u.period = 'gap';
    UPDATE member_addresses a SET code_hash = p_code_hash, code_expires_at = v_now + p_code_life_ms * interval '1 millisecond', tries = 0
     WHERE p_purpose = 'code' AND a.org_id = p_org AND a.id = p_address;
    DELETE FROM member_mail l WHERE l.org_id = p_org AND l.begun_at < v_now - interval '30 days';
    INSERT INTO member_mail (org_id, id, member_id, sender_id, purpose, day, hour, begun_at)
      VALUES (p_org, p_id, p_member, p_sender, p_purpose, p_day, p_hour, v_now);
  END IF;
  RETURN QUERY SELECT coalesce(v_verdict, 'stale'), CASE WHEN v_verdict = 'go' THEN v_address END;
END $$;

-- member_mail_end: what became of it, with its audit record; once. What certainly did not go gives its quota back.
CREATE OR REPLACE FUNCTION member_mail_end(p_org uuid, p_id uuid, p_outcome text, p_reason text, p_provider_id text, p_audit jsonb) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_mail member_mail;
BEGIN
  EXECUTE format('SET LOCAL app.org = %L', p_org);
  -- Usage before the message, as above.
  PERFORM FROM sender_usage u JOIN member_mail l ON l.org_id = p_org AND l.id = p_id
    WHERE u.org_id = p_org AND u.sender_id = l.sender_id AND (u.period = l.day OR u.period = l.hour)
    ORDER BY u.period FOR UPDATE OF u;
  UPDATE member_mail l SET outcome = p_outcome, reason = p_reason, provider_id = p_provider_id, ended_at = clock_timestamp()
   WHERE l.org_id = p_org AND l.id = p_id AND l.outcome = 'sending' RETURNING l.* INTO v_mail;
  IF v_mail.id IS NULL THEN RETURN false; END IF;
  IF p_outcome = 'failed' THEN
    UPDATE sender_usage u SET used = u.used - 1, to_members = u.to_members - 1
     WHERE u.org_id = p_org AND u.sender_id = v_mail.sender_id AND (u.period = v_mail.day OR u.period = v_mail.hour);
  END IF;
  PERFORM audit_write(p_org, p_audit);
  RETURN true;
END $$;

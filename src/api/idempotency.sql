-- Begins a request under an Idempotency-Key, or says what became of the one before: in one round trip.
--   run      go ahead: nothing is known of the key, or its request died, or its 24 hours are over
--   replay   the answer is there
--   running  another request runs under it
--   other    it was used for another request
DROP FUNCTION IF EXISTS idempotency_begin(uuid, text, bytea, uuid, interval, interval);

CREATE FUNCTION idempotency_begin(
  p_org uuid, p_key text, p_hash bytea, p_claim uuid, p_kept interval, p_lease interval)
RETURNS TABLE (outcome text, status int, headers jsonb, body bytea)
LANGUAGE plpgsql VOLATILE SET search_path = public, pg_temp AS $$
DECLARE
  v_now timestamptz := clock_timestamp();
  v_row idempotency_keys;
BEGIN
  EXECUTE format('SET LOCAL app.org = %L', p_org);

  -- Housekeeping on the way: a few of this organization's old keys, never waiting for anybody.
  DELETE FROM idempotency_keys k
  WHERE k.org_id = p_org AND k.key = ANY (ARRAY(
    SELECT o.key FROM idempotency_keys o
    WHERE o.org_id = p_org AND o.created_at < v_now - p_kept AND o.key <> p_key
    ORDER BY o.created_at LIMIT 20 FOR UPDATE SKIP LOCKED));

  INSERT INTO idempotency_keys (org_id, key, request_hash, created_at, claim, alive_at)
  VALUES (p_org, p_key, p_hash, v_now, p_claim, v_now)
  ON CONFLICT (org_id, key) DO NOTHING;

  SELECT * INTO v_row FROM idempotency_keys k WHERE k.org_id = p_org AND k.key = p_key FOR UPDATE;
  IF v_row.claim = p_claim THEN
    RETURN QUERY SELECT 'run', NULL::int, NULL::jsonb, NULL::bytea;
  ELSIF v_row.created_at < v_now - p_kept
      OR (v_row.status IS NULL AND v_row.alive_at < v_now - p_lease AND v_row.request_hash = p_hash) THEN
    UPDATE idempotency_keys k SET request_hash = p_hash, created_at = v_now, claim = p_claim, alive_at = v_now,
      status = NULL, headers = NULL, body = NULL
    WHERE k.org_id = p_org AND k.key = p_key;
    RETURN QUERY SELECT 'run', NULL::int, NULL::jsonb, NULL::bytea;
  ELSIF v_row.request_hash <> p_hash THEN
    RETURN QUERY SELECT 'other', NULL::int, NULL::jsonb, NULL::bytea;
  ELSIF v_row.status IS NULL THEN
    RETURN QUERY SELECT 'running', NULL::int, NULL::jsonb, NULL::bytea;
  ELSE
    RETURN QUERY SELECT 'replay', v_row.status, v_row.headers, v_row.body;
  END IF;
END $$;

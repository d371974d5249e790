-- From a key's hash to its organization, role and scopes, in one round trip. Before the tenant is known only
-- `directory` is read (I7). Use is noted at most once a minute; a request never waits for another's note.
DROP FUNCTION IF EXISTS authenticate_api_key(bytea);

CREATE FUNCTION authenticate_api_key(p_hash bytea)
RETURNS TABLE (org_id uuid, id uuid, name text, role text, scopes text[], member_id uuid, state text)
LANGUAGE plpgsql VOLATILE SET search_path = public, pg_temp AS $$
DECLARE
  v_org uuid;
  v_now timestamptz := clock_timestamp();
BEGIN
  SELECT d.org_id INTO v_org FROM directory d WHERE d.hash = p_hash AND d.kind = 'api_key';
  IF v_org IS NULL THEN RETURN; END IF;
  EXECUTE format('SET LOCAL app.org = %L', v_org);

  UPDATE api_keys k SET last_used_at = v_now
  WHERE k.org_id = v_org AND k.id = (
    SELECT u.id FROM api_keys u
    WHERE u.org_id = v_org AND u.hash = p_hash AND u.revoked_at IS NULL
      AND (u.last_used_at IS NULL OR u.last_used_at < v_now - interval '1 minute')
    FOR UPDATE SKIP LOCKED);

  RETURN QUERY
    SELECT v_org, k.id, k.name, k.role, k.scopes, k.member_id, CASE
        -- A disabled member can do nothing.
        WHEN k.revoked_at IS NOT NULL OR m.disabled_at IS NOT NULL THEN 'revoked'
        WHEN k.expires_at <= v_now THEN 'expired'
        WHEN o.status = 'closed' THEN 'closed'
        ELSE 'valid' END
    FROM api_keys k JOIN organizations o ON o.org_id = k.org_id
    LEFT JOIN members m ON m.org_id = k.org_id AND m.id = k.member_id
    WHERE k.org_id = v_org AND k.hash = p_hash;
END $$;

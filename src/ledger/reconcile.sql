-- gate_expire: touches still `sending` past their gate's lease become `unknown`: their process or its answer is gone.
-- Nothing else changes: the quota stays used, the gate stays open, the enrollment waits.
CREATE OR REPLACE FUNCTION gate_expire(p_org uuid, p_actor text, p_limit int, p_now timestamptz DEFAULT NULL) RETURNS int
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz := coalesce(p_now, clock_timestamp());
  v_ids uuid[];
  v_count int;
BEGIN
  EXECUTE format('SET LOCAL app.org = %L', p_org);
  v_ids := ARRAY(
    SELECT u.id FROM gates g CROSS JOIN unnest(g.touches) u(id) JOIN touches t ON t.org_id = p_org AND t.id = u.id
     WHERE g.org_id = p_org AND g.open > 0 AND g.lease_until < v_now AND t.state = 'sending' AND t.token = g.token
     ORDER BY 1 LIMIT p_limit);
  IF cardinality(v_ids) = 0 THEN RETURN 0; END IF;
  PERFORM FROM touches t WHERE t.org_id = p_org AND t.id = ANY (v_ids) ORDER BY t.id FOR UPDATE;
  WITH gone AS (
    UPDATE touches t SET state = 'unknown', reason = 'lease_expired', wake_at = v_now
     WHERE t.org_id = p_org AND t.id = ANY (v_ids) AND t.state = 'sending'
       AND EXISTS (SELECT FROM gates g WHERE g.org_id = p_org AND g.token = t.token AND g.lease_until < v_now)
    RETURNING t.*
  ), told AS (
    INSERT INTO events (org_id, at, type, reason, source_id, touch_id, contact_id, sequence_id, step_id, sender_id, attempt, token, actor)
    SELECT p_org, v_now, 'unknown', 'lease_expired', g.source_id, g.id, g.contact_id, g.sequence_id, g.step_id, g.sender_id, g.attempt, g.token, p_actor FROM gone g
  )
  SELECT count(*)::int INTO v_count FROM gone;
  RETURN v_count;
END $$;

-- reconcile_note: what a look at `unknown` touches gave when it settles nothing: when to look next (null: never by
-- itself), how often was looked, and whether a person is asked. For those that may go again when a window opens
-- (p_opens), when that closes: what is written closed before, and the gate reads what is written.
DROP FUNCTION IF EXISTS reconcile_note(uuid, text, uuid[], uuid[], timestamptz[], int[], boolean[], text[], timestamptz);

CREATE OR REPLACE FUNCTION reconcile_note(
  p_org uuid, p_actor text, p_touches uuid[], p_tokens uuid[], p_wakes timestamptz[], p_looks int[], p_review boolean[], p_reasons text[],
  p_opens boolean[], p_untils timestamptz[], p_now timestamptz DEFAULT NULL
) RETURNS int
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz := coalesce(p_now, clock_timestamp());
  v_count int;
BEGIN
  EXECUTE format('SET LOCAL app.org = %L', p_org);
  PERFORM FROM touches t WHERE t.org_id = p_org AND t.id = ANY (p_touches) ORDER BY t.id FOR UPDATE;
  WITH noted AS (
    UPDATE touches t SET wake_at = i.wake, looks = i.looks, needs_review = i.review, reason = i.reason,
        not_after = CASE WHEN i.opens THEN i.until ELSE t.not_after END
      FROM unnest(p_touches, p_tokens, p_wakes, p_looks, p_review, p_reasons, p_opens, p_untils)
        i(id, token, wake, looks, review, reason, opens, until)
     WHERE t.org_id = p_org AND t.id = i.id AND t.state = 'unknown' AND t.token = i.token
    RETURNING t.*
  ), told AS (
    INSERT INTO events (org_id, at, type, reason, source_id, touch_id, contact_id, sequence_id, step_id, sender_id, attempt, token, actor)
    SELECT p_org, v_now, CASE WHEN n.needs_review THEN 'needs_review' ELSE 'looked_up' END, n.reason, n.source_id, n.id, n.contact_id,
           n.sequence_id, n.step_id, n.sender_id, n.attempt, n.token, p_actor FROM noted n
  )
  SELECT count(*)::int INTO v_count FROM noted;
  RETURN v_count;
END $$;

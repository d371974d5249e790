-- touch_resolve: a person's word on a touch that is `unknown`: settled under the touch's own token, with the event and
-- the audit record that say who said so, in one transaction. Returns what settle says, or null: another had settled it,
-- or its next touch has to be planned again.
CREATE OR REPLACE FUNCTION touch_resolve(
  p_org uuid, p_token uuid, p_actor text, p_touch uuid, p_source uuid, p_word text,
  p_outcome text, p_at float8, p_wake float8, p_ends text, p_subject text,
  p_next_id uuid, p_next_step uuid, p_next_no int, p_next_channel text, p_next_mode text, p_next_sender uuid, p_next_from float8, p_next_until float8,
  p_audit jsonb, p_now timestamptz DEFAULT NULL,
  -- planned again, see settle
  p_version uuid DEFAULT NULL, p_next_n int DEFAULT NULL
) RETURNS text
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_settled record;
  v_result text;
BEGIN
  SELECT s.count, s.late INTO v_settled FROM settle(p_org, p_token, p_actor, ARRAY[p_touch], ARRAY[p_source], ARRAY[p_outcome], ARRAY[p_at],
    ARRAY['resolved_' || p_word], ARRAY[NULL::text], ARRAY[NULL::text], ARRAY[p_wake], ARRAY[p_ends], ARRAY[p_subject],
    ARRAY[p_next_id], ARRAY[p_next_step], ARRAY[p_next_no], ARRAY[p_next_channel], ARRAY[p_next_mode], ARRAY[p_next_sender], ARRAY[p_next_from], ARRAY[p_next_until], p_now,
    p_version, ARRAY[p_next_n]) s;
  IF v_settled.count = 0 THEN RETURN NULL; END IF;
  v_result := CASE WHEN v_settled.late IS NULL THEN 'settled' ELSE 'late' END;
  INSERT INTO events (org_id, at, type, reason, source_id, touch_id, contact_id, sequence_id, step_id, sender_id, attempt, token, actor)
    SELECT p_org, coalesce(p_now, clock_timestamp()), 'resolved', p_word, t.source_id, t.id, t.contact_id, t.sequence_id, t.step_id,
           t.sender_id, t.attempt, p_token, p_actor
      FROM touches t WHERE t.org_id = p_org AND t.id = p_touch;
  PERFORM audit_write(p_org, p_audit, jsonb_build_object('result', v_result));
  RETURN v_result;
END $$;

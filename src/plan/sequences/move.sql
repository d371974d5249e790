-- move: resume and advance: what the enrollment waits for is replaced, all or nothing, with its receipt. The caller
-- says what it saw (status, touch, the touch's state and the version); under the locks this is looked at again, and `changed` means:
-- read again and decide again. A touch still planned becomes p_cancel_as (cancelled, or skipped by an advance).
CREATE OR REPLACE FUNCTION enrollment_move(
  p_org uuid, p_id uuid, p_from text, p_touch uuid, p_touch_state text, p_cancel_as text,
  p_event text, p_reason text, p_actor text,
  -- the fresh touch, or null: the one in flight goes on (resume), or the sequence is over (advance past the end)
  p_next_id uuid, p_next_step uuid, p_next_no int, p_next_n int, p_next_channel text, p_next_mode text,
  p_next_sender uuid, p_next_from timestamptz, p_next_until timestamptz,
  p_ends text, p_receipt uuid, p_audit jsonb, p_now timestamptz DEFAULT NULL,
  -- the version it was planned under
  p_version uuid DEFAULT NULL
) RETURNS text
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz := coalesce(p_now, clock_timestamp());
  v_row enrollments;
  v_state text;
  v_sender uuid;
  v_to text := coalesce(p_ends, 'active');
BEGIN
  EXECUTE format('SET LOCAL app.org = %L', p_org);
  SELECT * INTO v_row FROM enrollments e WHERE e.org_id = p_org AND e.id = p_id FOR UPDATE;
  IF v_row.status IS DISTINCT FROM p_from OR v_row.live_touch <> p_touch THEN RETURN 'changed'; END IF;
  IF v_row.version_id <> p_version THEN RETURN 'changed'; END IF;
  SELECT t.state, t.sender_id INTO v_state, v_sender FROM touches t WHERE t.org_id = p_org AND t.id = p_touch FOR UPDATE;
  IF v_state IS DISTINCT FROM p_touch_state THEN RETURN 'changed'; END IF;

  IF v_state = 'planned' THEN
    UPDATE touches t SET state = p_cancel_as, live = false, wake_at = NULL, held_by = NULL, reason = p_event, settled_at = v_now
     WHERE t.org_id = p_org AND t.id = p_touch;
    INSERT INTO events (org_id, at, type, reason, source_id, touch_id, contact_id, sequence_id, step_id, sender_id, actor)
      VALUES (p_org, v_now, p_cancel_as, p_event, p_id, p_touch, v_row.contact_id, v_row.sequence_id, v_row.step_id, v_sender, p_actor);
  END IF;
  UPDATE enrollments e SET status = v_to, status_reason = CASE WHEN p_ends IS NULL THEN p_reason ELSE 'last_step' END, epoch = e.epoch + 1, updated_at = v_now,
         live_touch = coalesce(p_next_id, e.live_touch), step_id = coalesce(p_next_step, e.step_id), step_no = coalesce(p_next_no, e.step_no),
         ended_at = CASE WHEN v_to = 'active' THEN NULL ELSE v_now END, ended_by = CASE WHEN v_to = 'active' THEN NULL ELSE p_actor END
   WHERE e.org_id = p_org AND e.id = p_id;
  INSERT INTO events (org_id, at, type, reason, source_id, touch_id, contact_id, sequence_id, step_id, sender_id, actor)
    VALUES (p_org, v_now, p_event, p_reason, p_id, p_next_id, v_row.contact_id, v_row.sequence_id, coalesce(p_next_step, v_row.step_id), p_next_sender, p_actor);
  IF p_ends IS NOT NULL THEN
    INSERT INTO events (org_id, at, type, reason, source_id, contact_id, sequence_id, actor)
      VALUES (p_org, v_now, p_ends, 'last_step', p_id, v_row.contact_id, v_row.sequence_id, p_actor);
  END IF;
  IF p_next_id IS NOT NULL THEN
    INSERT INTO touches (org_id, id, source_id, sequence_id, version_id, step_id, step_no, generation, n, contact_id, sender_id,
        channel, mode, priority, wake_at, not_before, not_after, planned_by, created_at)
      VALUES (p_org, p_next_id, p_id, v_row.sequence_id, v_row.version_id, p_next_step, p_next_no, v_row.generation, p_next_n,
        v_row.contact_id, p_next_sender, p_next_channel, p_next_mode, 2, p_next_from,
        p_next_from, p_next_until, p_actor, v_now);
  END IF;
  INSERT INTO receipts (org_id, id, subject_type, subject_id, status, epoch, effective_at, not_started, in_flight, actor)
    VALUES (p_org, p_receipt, 'enrollment', p_id::text, v_to, v_row.epoch + 1, v_now, CASE WHEN v_state = 'planned' THEN 1 ELSE 0 END,
      CASE WHEN v_state IN ('sending', 'unknown') THEN ARRAY[p_touch] ELSE '{}' END, p_actor);
  PERFORM audit_write(p_org, p_audit, jsonb_build_object('was', p_from));
  RETURN 'moved';
END $$;

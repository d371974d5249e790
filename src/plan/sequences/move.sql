-- move: resume, advance and restart: what the enrollment waits for is replaced, all or nothing. The caller says what
-- it saw (status, touch and the touch's state); under the locks this is looked at again, and `changed` means: read
-- again and decide again. A touch still planned becomes p_cancel_as (cancelled, or skipped by an advance).
CREATE OR REPLACE FUNCTION enrollment_move(
  p_org uuid, p_id uuid, p_from text, p_touch uuid, p_touch_state text, p_cancel_as text,
  p_event text, p_reason text, p_actor text, p_generation int,
  -- the fresh touch, or null: the one in flight goes on (resume), or the sequence is over (advance past the end)
  p_next_id uuid, p_next_step uuid, p_next_no int, p_next_n int, p_next_channel text, p_next_from timestamptz, p_next_until timestamptz,
  p_ends text, p_now timestamptz DEFAULT NULL
) RETURNS text
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz := coalesce(p_now, clock_timestamp());
  v_row enrollments;
  v_state text;
  v_to text := coalesce(p_ends, 'active');
BEGIN
  EXECUTE format('SET LOCAL app.org = %L', p_org);
  SELECT * INTO v_row FROM enrollments e WHERE e.org_id = p_org AND e.id = p_id FOR UPDATE;
  IF v_row.status IS DISTINCT FROM p_from OR v_row.live_touch <> p_touch THEN RETURN 'changed'; END IF;
  SELECT t.state INTO v_state FROM touches t WHERE t.org_id = p_org AND t.id = p_touch FOR UPDATE;
  IF v_state IS DISTINCT FROM p_touch_state THEN RETURN 'changed'; END IF;

  IF v_state = 'planned' THEN
    UPDATE touches t SET state = p_cancel_as, live = false, wake_at = NULL, held_by = NULL, reason = p_event, settled_at = v_now
     WHERE t.org_id = p_org AND t.id = p_touch;
    INSERT INTO events (org_id, at, type, reason, source_id, touch_id, contact_id, sequence_id, step_id, sender_id, actor)
      VALUES (p_org, v_now, p_cancel_as, p_event, p_id, p_touch, v_row.contact_id, v_row.sequence_id, v_row.step_id, v_row.sender_id, p_actor);
  END IF;
  UPDATE enrollments e SET status = v_to, status_reason = p_reason, epoch = e.epoch + 1, generation = p_generation, updated_at = v_now,
         live_touch = coalesce(p_next_id, e.live_touch), step_id = coalesce(p_next_step, e.step_id), step_no = coalesce(p_next_no, e.step_no),
         ended_at = CASE WHEN v_to = 'active' THEN NULL ELSE v_now END, ended_by = CASE WHEN v_to = 'active' THEN NULL ELSE p_actor END,
         thread = CASE WHEN p_generation > e.generation THEN '{}' ELSE e.thread END,
         thread_subject = CASE WHEN p_generation > e.generation THEN NULL ELSE e.thread_subject END
   WHERE e.org_id = p_org AND e.id = p_id;
  INSERT INTO events (org_id, at, type, reason, source_id, touch_id, contact_id, sequence_id, step_id, sender_id, actor)
    VALUES (p_org, v_now, p_event, p_reason, p_id, p_next_id, v_row.contact_id, v_row.sequence_id, coalesce(p_next_step, v_row.step_id), v_row.sender_id, p_actor);
  IF p_ends IS NOT NULL THEN
    INSERT INTO events (org_id, at, type, reason, source_id, contact_id, sequence_id, sender_id, actor)
      VALUES (p_org, v_now, p_ends, p_event, p_id, v_row.contact_id, v_row.sequence_id, v_row.sender_id, p_actor);
  END IF;
  IF p_next_id IS NOT NULL THEN
    INSERT INTO touches (org_id, id, source_id, sequence_id, version_id, step_id, step_no, generation, n, contact_id, sender_id,
        channel, priority, wake_at, not_before, not_after, planned_by, created_at)
      VALUES (p_org, p_next_id, p_id, v_row.sequence_id, v_row.version_id, p_next_step, p_next_no, p_generation, p_next_n,
        v_row.contact_id, v_row.sender_id, p_next_channel, 2, p_next_from, p_next_from, p_next_until, p_actor, v_now);
  END IF;
  RETURN 'moved';
END $$;

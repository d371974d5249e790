-- enrollments_to_version: a batch of enrollments of one sequence moved to another of its versions, in one transaction and
-- one round trip [SEQ-1]. The caller says what it saw of each (status, version, touch and the touch's state); under the
-- locks this is looked at again, and one that changed is left as it is, without a row in the answer: read and decide
-- again. What is planned is cancelled and planned anew under the new version; what is in flight stays what it waits for.
-- A paused one only changes its place: the epoch stays, so that a pause that has yet to cancel still does.
CREATE OR REPLACE FUNCTION enrollments_to_version(
  p_org uuid, p_version uuid, p_actor text,
  -- an enrollment each, as it was seen
  p_ids uuid[], p_statuses text[], p_versions uuid[], p_touches uuid[], p_states text[],
  -- its place in the new version; the senders it keeps, and the steps further on that it has had: ids with commas, or null
  p_steps uuid[], p_step_nos int[], p_kept text[], p_had text[],
  -- the touch that replaces a planned one; or the status it ends with, when no step is left; else null
  p_next_ids uuid[], p_next_ns int[], p_next_channels text[], p_next_modes text[], p_next_senders uuid[], p_next_from timestamptz[], p_next_until timestamptz[], p_ends text[],
  -- null: the caller keeps its own record
  p_audit jsonb, p_now timestamptz DEFAULT NULL
) RETURNS TABLE (enrollment_id uuid, ended boolean)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz := coalesce(p_now, clock_timestamp());
  v_ids uuid[];
  v_replaced uuid[];
  v_contacts uuid[];
BEGIN
  EXECUTE format('SET LOCAL app.org = %L', p_org);
  PERFORM FROM enrollments e WHERE e.org_id = p_org AND e.id = ANY (p_ids) ORDER BY e.id FOR UPDATE;
  PERFORM FROM touches t WHERE t.org_id = p_org AND t.id = ANY (p_touches) ORDER BY t.id FOR UPDATE;

  -- In a later statement than the locks: a gate, a settle or a pause that was first has changed what counts.
  SELECT coalesce(array_agg(e.id ORDER BY e.id), '{}'),
         coalesce(array_agg(e.id ORDER BY e.id) FILTER (WHERE e.status = 'active' AND t.state = 'planned'), '{}'),
         coalesce(array_agg(e.contact_id ORDER BY e.id) FILTER (WHERE e.status = 'active' AND t.state = 'planned'), '{}')
    INTO v_ids, v_replaced, v_contacts
    FROM unnest(p_ids, p_statuses, p_versions, p_touches, p_states, p_next_channels) i(id, status, version, touch, state, next_channel)
    JOIN enrollments e ON e.org_id = p_org AND e.id = i.id
    JOIN touches t ON t.org_id = p_org AND t.id = e.live_touch
   WHERE e.status = i.status AND e.version_id = i.version AND e.live_touch = i.touch AND t.state = i.state
     AND consent_channel(i.next_channel) = ANY (e.skip_channels) IS NOT TRUE;
  IF cardinality(v_ids) = 0 THEN RETURN; END IF;

  PERFORM touches_cancel(p_org, v_replaced, v_contacts, 'moved', p_actor, v_now);
  RETURN QUERY
  WITH input AS (
    SELECT * FROM unnest(p_ids, p_versions, p_steps, p_step_nos, p_kept, p_had, p_next_ids, p_next_ns, p_next_channels, p_next_modes, p_next_senders,
        p_next_from, p_next_until, p_ends)
      i(id, version, step, step_no, kept, had, next_id, next_n, next_channel, next_mode, next_sender, next_from, next_until, ends)
     WHERE i.id = ANY (v_ids)
  ), moved AS (
    UPDATE enrollments e SET version_id = p_version, step_id = i.step, step_no = i.step_no, kept_senders = string_to_array(i.kept, ',')::uuid[],
           had_steps = string_to_array(i.had, ',')::uuid[], live_touch = coalesce(i.next_id, e.live_touch), updated_at = v_now,
           status = coalesce(i.ends, e.status), status_reason = CASE WHEN i.ends IS NULL THEN e.status_reason ELSE 'steps_removed' END,
           ended_at = CASE WHEN i.ends IS NULL THEN e.ended_at ELSE v_now END, ended_by = CASE WHEN i.ends IS NULL THEN e.ended_by ELSE p_actor END
      FROM input i WHERE e.org_id = p_org AND e.id = i.id
    RETURNING e.id, e.sequence_id, e.contact_id, e.generation, e.live_touch, e.step_id, e.step_no,
              i.version, i.next_id, i.next_n, i.next_channel, i.next_mode, i.next_sender, i.next_from, i.next_until, i.ends
  ), planned AS (
    INSERT INTO touches (org_id, id, source_id, sequence_id, version_id, step_id, step_no, generation, n, contact_id, sender_id,
        channel, mode, priority, wake_at, not_before, not_after, planned_by, created_at)
    SELECT p_org, m.next_id, m.id, m.sequence_id, p_version, m.step_id, m.step_no, m.generation, m.next_n, m.contact_id, m.next_sender,
        m.next_channel, m.next_mode, 2, m.next_from, m.next_from, m.next_until, p_actor, v_now
      FROM moved m WHERE m.next_id IS NOT NULL
  ), told AS (
    INSERT INTO events (org_id, at, type, reason, source_id, touch_id, contact_id, sequence_id, step_id, sender_id, actor, data)
    SELECT p_org, v_now, 'moved', NULL, m.id, m.live_touch, m.contact_id, m.sequence_id, m.step_id, m.next_sender, p_actor,
           jsonb_build_object('from_version', a.number, 'to_version', b.number)
      FROM moved m JOIN sequence_versions a ON a.org_id = p_org AND a.id = m.version JOIN sequence_versions b ON b.org_id = p_org AND b.id = p_version
    UNION ALL
    SELECT p_org, v_now, m.ends, 'steps_removed', m.id, NULL, m.contact_id, m.sequence_id, m.step_id, NULL, p_actor, NULL
      FROM moved m WHERE m.ends IS NOT NULL
  )
  SELECT m.id, m.ends IS NOT NULL FROM moved m;
  IF p_audit IS NOT NULL THEN PERFORM audit_write(p_org, p_audit, jsonb_build_object('enrollments', v_ids)); END IF;
END $$;

-- version_move_chunk: one chunk of a job, with its counts and its cursor, which passes nobody who has to be looked at
-- again (who was moved is no longer found). Whoever has read the job at another cursor, or finds it ended, writes
-- nothing and gets false. A cancel waits for the chunk in progress, and none begins after it.
CREATE OR REPLACE FUNCTION version_move_chunk(
  p_org uuid, p_job uuid, p_seen uuid,
  -- the last enrollment of the chunk, and those of the chunk that cannot be moved
  p_cursor uuid, p_refused uuid[],
  p_version uuid, p_actor text,
  p_ids uuid[], p_statuses text[], p_versions uuid[], p_touches uuid[], p_states text[],
  p_steps uuid[], p_step_nos int[], p_kept text[], p_had text[],
  p_next_ids uuid[], p_next_ns int[], p_next_channels text[], p_next_modes text[], p_next_senders uuid[], p_next_from timestamptz[], p_next_until timestamptz[], p_ends text[],
  p_audit jsonb
) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_done uuid[];
  v_completed int;
  v_changed uuid;
  v_cursor uuid := p_cursor;
BEGIN
  EXECUTE format('SET LOCAL app.org = %L', p_org);
  PERFORM FROM version_moves j
    WHERE j.org_id = p_org AND j.id = p_job AND j.status = 'running' AND j.cursor IS NOT DISTINCT FROM p_seen FOR UPDATE;
  IF NOT FOUND THEN RETURN false; END IF;
  SELECT coalesce(array_agg(m.enrollment_id), '{}'), count(*) FILTER (WHERE m.ended) INTO v_done, v_completed
    FROM enrollments_to_version(p_org, p_version, p_actor, p_ids, p_statuses, p_versions, p_touches, p_states, p_steps, p_step_nos,
      p_kept, p_had, p_next_ids, p_next_ns, p_next_channels, p_next_modes, p_next_senders, p_next_from, p_next_until, p_ends, p_audit) m;
  v_changed := (SELECT i FROM unnest(p_ids) i WHERE i <> ALL (v_done) ORDER BY i LIMIT 1);
  IF v_changed IS NOT NULL THEN
    v_cursor := coalesce((SELECT i FROM unnest(p_ids || p_refused) i WHERE i < v_changed ORDER BY i DESC LIMIT 1), p_seen);
  END IF;
  UPDATE version_moves j SET cursor = v_cursor, moved = j.moved + cardinality(v_done) - v_completed, completed = j.completed + v_completed,
         refused = j.refused + (SELECT count(*) FROM unnest(p_refused) i WHERE i <= v_cursor)
   WHERE j.org_id = p_org AND j.id = p_job;
  -- Who was enrolled meanwhile at a version that is not the one to move to counts too.
  UPDATE version_moves j SET total = j.moved + j.completed + j.skipped + j.refused
   WHERE j.org_id = p_org AND j.id = p_job AND j.total < j.moved + j.completed + j.skipped + j.refused;
  RETURN true;
END $$;

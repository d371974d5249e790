-- enroll: enrollments with their first planned touches, in one transaction (SEQ-3). The arrays are one entry a
-- contact, sorted by contact. A contact that got a live enrollment meanwhile is left out of the answer
-- (enrollments_live decides, SEQ-4).
CREATE OR REPLACE FUNCTION enroll(
  p_org uuid,
  p_sequence uuid,
  p_version uuid,
  p_step uuid,
  p_channel text,
  p_priority int,
  p_job uuid,
  p_actor text,
  p_contacts uuid[],
  p_enrollments uuid[],
  p_touches uuid[],
  p_senders uuid[],
  p_from timestamptz[],
  p_until timestamptz[],
  p_now timestamptz DEFAULT NULL
) RETURNS TABLE (contact_id uuid, enrollment_id uuid)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz := coalesce(p_now, clock_timestamp());
BEGIN
  EXECUTE format('SET LOCAL app.org = %L', p_org);
  RETURN QUERY
  WITH input AS (
    SELECT * FROM unnest(p_contacts, p_enrollments, p_touches, p_senders, p_from, p_until)
      u(contact, enrollment, touch, sender, not_before, not_after)
  ), enrolled AS (
    INSERT INTO enrollments AS e (org_id, id, sequence_id, version_id, contact_id, status, step_no, step_id, live_touch, sender_id,
        job_id, enrolled_by, created_at, updated_at)
    SELECT p_org, i.enrollment, p_sequence, p_version, i.contact, 'active', 0, p_step, i.touch, i.sender, p_job, p_actor, v_now, v_now
      FROM input i
    ON CONFLICT (org_id, sequence_id, contact_id) WHERE status IN ('active', 'paused') DO NOTHING
    RETURNING e.contact_id, e.id
  ), planned AS (
    INSERT INTO touches (org_id, id, source_id, sequence_id, version_id, step_id, step_no, generation, n, contact_id, sender_id,
        channel, priority, wake_at, not_before, not_after, planned_by, created_at)
    SELECT p_org, i.touch, i.enrollment, p_sequence, p_version, p_step, 0, 1, 1, i.contact, i.sender,
        p_channel, p_priority, i.not_before, i.not_before, i.not_after, p_actor, v_now
      FROM input i JOIN enrolled e ON e.id = i.enrollment
  ), told AS (
    INSERT INTO events (org_id, at, type, source_id, touch_id, contact_id, sequence_id, step_id, sender_id, actor)
    SELECT p_org, v_now, 'enrolled', i.enrollment, i.touch, i.contact, p_sequence, p_step, i.sender, p_actor
      FROM input i JOIN enrolled e ON e.id = i.enrollment
  )
  SELECT e.contact_id, e.id FROM enrolled e;
END $$;

-- enroll_batch: new enrollments and restarts of old ones, each with its first planned touch, in one transaction and
-- one round trip (SEQ-3). New ones come sorted by contact, so that two batches over the same people never wait in a
-- circle; enrollments_live and enrollments_exclusive decide who is first (SEQ-4), and who came second is told which
-- enrollment lives.
-- Touches of a sender to recipients in one place have the same times: they count from one moment. Hence arrays of
-- times with their sender, and for each touch the number of its own.
-- An old enrollment that is not as the caller saw it: serialization_failure, nothing written, read and decide again.
DROP FUNCTION IF EXISTS enroll_batch(uuid, uuid, uuid, uuid, text, text, uuid, text, uuid[], timestamptz[], timestamptz[], date[], text,
  uuid[], uuid[], uuid[], int[], uuid[], int[], uuid[], int[], text[], text, jsonb, timestamptz);

CREATE OR REPLACE FUNCTION enroll_batch(
  p_org uuid,
  p_sequence uuid,
  p_version uuid,
  p_step uuid,
  p_channel text,
  p_mode text,
  p_job uuid,
  p_actor text,
  -- a sender and a place each
  p_senders uuid[],
  p_from timestamptz[],
  p_until timestamptz[],
  -- the day they begin on, where that is counted; null: it is not
  p_days date[],
  -- the senders that they keep, where there are several: ids with commas; null: none has any
  p_kept text[],
  -- at most one enrollment of this group lives for a contact; null: of no group
  p_group text,
  -- a new enrollment each
  p_contacts uuid[],
  p_enrollments uuid[],
  p_touches uuid[],
  p_sender_nos int[],
  -- a restart each, with the generation seen; the statuses that may be left
  p_old uuid[],
  p_old_generations int[],
  p_old_touches uuid[],
  p_old_sender_nos int[],
  p_restartable text[],
  p_reason text,
  -- null: the caller keeps its own record
  p_audit jsonb,
  p_now timestamptz DEFAULT NULL,
  -- who does the steps of people: one member, or several in turn
  p_assignees uuid[] DEFAULT '{}'
) RETURNS TABLE (contact_id uuid, result text, reason text, enrollment_id uuid)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz;
  v_ids uuid[];
BEGIN
  EXECUTE format('SET LOCAL app.org = %L', p_org);
  -- Before the time is taken: see enrollments_written.
  PERFORM pg_advisory_xact_lock_shared(5, lock_key(p_org));
  v_now := coalesce(p_now, clock_timestamp());

  IF cardinality(p_old) > 0 THEN
    RETURN QUERY SELECT r.contact_id, r.result, r.reason, r.enrollment_id FROM enrollments_restart(p_org, p_version, p_step, p_channel,
      p_mode, p_job, p_actor, p_senders, p_from, p_until, p_days, p_kept, p_group, p_old, p_old_generations, p_old_touches, p_old_sender_nos, p_restartable, p_reason, v_now, p_assignees) r;
  END IF;

  v_ids := enroll_insert(p_org, p_sequence, p_version, p_step, p_channel, p_mode, p_job, p_actor, p_senders, p_from, p_until,
    p_days, p_kept, p_group, p_contacts, p_enrollments, p_touches, p_sender_nos, v_now, p_assignees);

  RETURN QUERY
  SELECT i.contact, 'enrolled', NULL::text, i.enrollment FROM unnest(p_contacts, p_enrollments) i(contact, enrollment) WHERE i.enrollment = ANY (v_ids)
  UNION ALL
  SELECT i.contact, 'skipped', r.reason, r.id
    FROM unnest(p_contacts, p_enrollments) i(contact, enrollment), LATERAL enrollment_rival(p_org, p_sequence, p_group, i.contact) r
   WHERE i.enrollment <> ALL (v_ids);

  IF p_audit IS NOT NULL AND (cardinality(v_ids) > 0 OR cardinality(p_old) > 0) THEN
    PERFORM audit_write(p_org, p_audit, jsonb_build_object('enrolled', cardinality(v_ids), 'enrollments', (v_ids || p_old)[1:100]));
  END IF;
END $$;

-- enrollment_assignee: one of these members, always the same for an enrollment: by the random end of its id. Null: of nobody.
CREATE OR REPLACE FUNCTION enrollment_assignee(p_assignees uuid[], p_enrollment uuid) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT p_assignees[1 + ('x' || right(p_enrollment::text, 7))::bit(28)::int % nullif(cardinality(p_assignees), 0)] $$;

-- enroll_insert: the new ones of a batch. Returns the ids of those that were written, in order; the rest had been
-- enrolled by somebody else meanwhile. The caller has set the tenant.
DROP FUNCTION IF EXISTS enroll_insert(uuid, uuid, uuid, uuid, text, text, uuid, text, uuid[], timestamptz[], timestamptz[], date[], text,
  uuid[], uuid[], uuid[], int[], timestamptz);

CREATE OR REPLACE FUNCTION enroll_insert(
  p_org uuid, p_sequence uuid, p_version uuid, p_step uuid, p_channel text, p_mode text, p_job uuid, p_actor text,
  p_senders uuid[], p_from timestamptz[], p_until timestamptz[], p_days date[], p_kept text[], p_group text,
  p_contacts uuid[], p_enrollments uuid[], p_touches uuid[], p_sender_nos int[], p_now timestamptz, p_assignees uuid[]
) RETURNS uuid[]
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_ids uuid[];
  v_all boolean;
  -- Read once, not for each contact: everybody keeps one sender of each channel that has several.
  v_kept uuid[] := string_to_array(array_to_string(p_kept, ','), ',')::uuid[];
  v_each int := cardinality(v_kept) / nullif(cardinality(p_kept), 0);
BEGIN
  WITH enrolled AS (
    INSERT INTO enrollments AS e (org_id, id, sequence_id, version_id, contact_id, status, status_reason, step_no, step_id, live_touch,
        job_id, enrolled_by, created_at, updated_at, exclusive_group, intake_day, kept_senders, assignee_id)
    SELECT p_org, i.enrollment, p_sequence, p_version, i.contact, 'active', 'enrolled', 0, p_step, i.touch, p_job, p_actor, p_now, p_now, p_group, p_days[i.n],
           v_kept[(i.n - 1) * v_each + 1:i.n * v_each],
           CASE WHEN cardinality(p_assignees) > 0 THEN enrollment_assignee(p_assignees, i.enrollment) END
      FROM unnest(p_contacts, p_enrollments, p_touches, p_sender_nos) i(contact, enrollment, touch, n)
    -- of enrollments_live or enrollments_exclusive
    ON CONFLICT DO NOTHING
    RETURNING e.id
  )
  SELECT coalesce(array_agg(e.id), '{}') INTO v_ids FROM enrolled e;
  v_all := cardinality(v_ids) = cardinality(p_enrollments);

  -- Not joined to what was inserted: a join of two lists that the planner knows nothing of may walk one for each of the
  -- other. And not compared with it while all were: comparing alone took a tenth of the time.
  INSERT INTO touches (org_id, id, source_id, sequence_id, version_id, step_id, step_no, generation, n, contact_id, sender_id,
      channel, mode, priority, wake_at, not_before, not_after, planned_by, created_at)
    SELECT p_org, i.touch, i.enrollment, p_sequence, p_version, p_step, 0, 1, 1, i.contact, p_senders[i.n],
        p_channel, p_mode, 2, p_from[i.n], p_from[i.n], p_until[i.n], p_actor, p_now
      FROM unnest(p_contacts, p_enrollments, p_touches, p_sender_nos) i(contact, enrollment, touch, n)
     WHERE v_all OR i.enrollment IN (SELECT unnest(v_ids));

  INSERT INTO events (org_id, at, type, source_id, touch_id, contact_id, sequence_id, step_id, sender_id, actor)
    SELECT p_org, p_now, 'enrolled', i.enrollment, i.touch, i.contact, p_sequence, p_step, p_senders[i.n], p_actor
      FROM unnest(p_contacts, p_enrollments, p_touches, p_sender_nos) i(contact, enrollment, touch, n)
     WHERE v_all OR i.enrollment IN (SELECT unnest(v_ids));
  RETURN v_ids;
END $$;

-- The sequence is compared in a way no index serves, see candidates.ts.
CREATE OR REPLACE FUNCTION live_enrollment(p_org uuid, p_sequence uuid, p_contact uuid) RETURNS uuid
LANGUAGE sql STABLE AS $$
  SELECT x.id FROM enrollments x
   WHERE x.org_id = p_org AND x.contact_id = p_contact AND x.sequence_id IS NOT DISTINCT FROM p_sequence AND x.status IN ('active', 'paused')
$$;

-- enrollment_rival: why an enrollment was not written: the one that lives in the sequence, or else in its group. One row;
-- the id is null when that one has just ended.
CREATE OR REPLACE FUNCTION enrollment_rival(p_org uuid, p_sequence uuid, p_group text, p_contact uuid) RETURNS TABLE (reason text, id uuid)
LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN x.sequence_id <> p_sequence THEN 'exclusive' ELSE 'already_enrolled' END, x.id
    FROM (VALUES (1)) one LEFT JOIN LATERAL (
      SELECT e.id, e.sequence_id FROM enrollments e
       WHERE e.org_id = p_org AND e.contact_id = p_contact AND e.status IN ('active', 'paused')
         AND (e.sequence_id IS NOT DISTINCT FROM p_sequence OR e.exclusive_group = p_group)
       ORDER BY e.sequence_id IS NOT DISTINCT FROM p_sequence DESC, e.id LIMIT 1) x ON true
$$;

-- enrollments_restart: step one again, under a new generation, for enrollments live or ended. What is still planned
-- is cancelled; one whose touch is in flight is left as it is and said so. The caller has set the tenant.
DROP FUNCTION IF EXISTS enrollments_restart(uuid, uuid, uuid, text, text, uuid, text, uuid[], timestamptz[], timestamptz[], date[], text,
  uuid[], int[], uuid[], int[], text[], text, timestamptz);

CREATE OR REPLACE FUNCTION enrollments_restart(
  p_org uuid, p_version uuid, p_step uuid, p_channel text, p_mode text, p_job uuid, p_actor text,
  p_senders uuid[], p_from timestamptz[], p_until timestamptz[], p_days date[], p_kept text[], p_group text,
  p_old uuid[], p_generations int[], p_touches uuid[], p_sender_nos int[], p_restartable text[], p_reason text, p_now timestamptz,
  p_assignees uuid[]
) RETURNS TABLE (contact_id uuid, result text, reason text, enrollment_id uuid)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_changed int;
  v_flying uuid[];
  v_going uuid[];
  v_contacts uuid[];
BEGIN
  PERFORM FROM enrollments e WHERE e.org_id = p_org AND e.id = ANY (p_old) ORDER BY e.id FOR UPDATE;
  PERFORM FROM touches t WHERE t.org_id = p_org
      AND t.id = ANY (ARRAY(SELECT e.live_touch FROM enrollments e WHERE e.org_id = p_org AND e.id = ANY (p_old)))
    ORDER BY t.id FOR UPDATE;

  -- In a later statement than the locks: a gate or a pause that was first has changed what counts.
  SELECT count(*) FILTER (WHERE e.generation IS DISTINCT FROM i.generation OR e.status <> ALL (p_restartable)),
         coalesce(array_agg(e.id) FILTER (WHERE t.state IN ('sending', 'unknown')), '{}'),
         coalesce(array_agg(e.id ORDER BY e.id) FILTER (WHERE t.state NOT IN ('sending', 'unknown')), '{}'),
         coalesce(array_agg(e.contact_id ORDER BY e.id) FILTER (WHERE t.state NOT IN ('sending', 'unknown')), '{}')
    INTO v_changed, v_flying, v_going, v_contacts
    FROM unnest(p_old, p_generations) i(id, generation)
    LEFT JOIN enrollments e ON e.org_id = p_org AND e.id = i.id
    LEFT JOIN touches t ON t.org_id = p_org AND t.id = e.live_touch;
  IF v_changed > 0 THEN
    RAISE EXCEPTION 'an enrollment changed since it was read' USING ERRCODE = 'serialization_failure';
  END IF;

  PERFORM touches_cancel(p_org, v_going, v_contacts, 'restart', p_actor, p_now);
  RETURN QUERY
  WITH input AS (
    SELECT i.id, i.touch, p_senders[i.sender] AS sender, p_from[i.sender] AS not_before, p_until[i.sender] AS not_after, p_days[i.sender] AS day,
           string_to_array(p_kept[i.sender], ',')::uuid[] AS kept
      FROM unnest(p_old, p_touches, p_sender_nos) i(id, touch, sender) WHERE i.id = ANY (v_going)
  ), restarted AS (
    UPDATE enrollments e SET status = 'active', status_reason = p_reason, epoch = e.epoch + 1, generation = e.generation + 1,
           version_id = p_version, step_no = 0, step_id = p_step, live_touch = i.touch,
           thread = '{}', thread_subject = NULL, had_steps = NULL, skip_channels = NULL, kept_senders = i.kept, job_id = coalesce(p_job, e.job_id),
           updated_at = p_now, ended_at = NULL, ended_by = NULL, exclusive_group = p_group, intake_day = i.day,
           assignee_id = coalesce(enrollment_assignee(p_assignees, e.id), e.assignee_id)
      FROM input i WHERE e.org_id = p_org AND e.id = i.id
    RETURNING e.id, e.contact_id, e.sequence_id, e.generation, e.live_touch, i.sender AS sender_id, i.not_before, i.not_after
  ), planned AS (
    INSERT INTO touches (org_id, id, source_id, sequence_id, version_id, step_id, step_no, generation, n, contact_id, sender_id,
        channel, mode, priority, wake_at, not_before, not_after, planned_by, created_at)
    SELECT p_org, r.live_touch, r.id, r.sequence_id, p_version, p_step, 0, r.generation, 1, r.contact_id, r.sender_id,
        p_channel, p_mode, 2, r.not_before, r.not_before, r.not_after, p_actor, p_now
      FROM restarted r
  ), told AS (
    INSERT INTO events (org_id, at, type, reason, source_id, touch_id, contact_id, sequence_id, step_id, sender_id, actor)
    SELECT p_org, p_now, 'restart', p_reason, r.id, r.live_touch, r.contact_id, r.sequence_id, p_step, r.sender_id, p_actor FROM restarted r
  )
  SELECT r.contact_id, 'enrolled', 'restarted', r.id FROM restarted r
  UNION ALL
  SELECT e.contact_id, 'skipped', 'touch_in_flight', e.id FROM enrollments e WHERE e.org_id = p_org AND e.id = ANY (v_flying);
END $$;

-- enrollments_written: waits until whoever is enrolling has committed; who begins after it enrols later than now. Who
-- reacts to an event calls it before reading whom the event stops: an enrolment that was being written just then would be
-- missed, and go on for ever. One lock an organization and a batch: a lock a contact would cost each enrolment a look.
-- Nobody waits behind a frozen process for longer than the time-out: the events wait for another turn instead.
CREATE OR REPLACE FUNCTION enrollments_written(p_org uuid) RETURNS void
LANGUAGE plpgsql VOLATILE SET lock_timeout = '2s' AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(5, lock_key(p_org));
END $$;

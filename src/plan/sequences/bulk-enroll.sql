-- bulk_enroll_chunk: one chunk of an enrolment job: its enrollments, its results, the counts and the position, in one
-- transaction. False: the job is not at this position any more (another process went on, or it was cancelled), and
-- nothing was written. So a chunk counts once, however often its process died.
CREATE OR REPLACE FUNCTION bulk_enroll_chunk(
  p_org uuid, p_job uuid, p_at int, p_next int, p_after uuid,
  -- decided by the caller: results of those that are not to be enrolled, and how many of each
  p_decided jsonb, p_skipped int, p_refused int,
  p_sequence uuid, p_version uuid, p_step uuid, p_channel text, p_actor text,
  p_senders uuid[], p_from timestamptz[], p_until timestamptz[],
  p_contacts uuid[], p_enrollments uuid[], p_touches uuid[], p_sender_nos int[],
  p_old uuid[], p_old_generations int[], p_old_touches uuid[], p_old_sender_nos int[], p_restartable text[]
) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_results jsonb;
  v_enrolled int;
  v_skipped int;
BEGIN
  EXECUTE format('SET LOCAL app.org = %L', p_org);
  PERFORM FROM enrollment_jobs j WHERE j.org_id = p_org AND j.id = p_job AND j.status = 'running' AND j.next_index = p_at FOR UPDATE;
  IF NOT FOUND THEN RETURN false; END IF;

  SELECT p_decided || coalesce(jsonb_agg(jsonb_build_array(r.contact_id, r.result, r.reason, r.enrollment_id)), '[]'),
         count(*) FILTER (WHERE r.result = 'enrolled'), count(*) FILTER (WHERE r.result = 'skipped')
    INTO v_results, v_enrolled, v_skipped
    FROM enroll_batch(p_org, p_sequence, p_version, p_step, p_channel, p_job, p_actor, p_senders, p_from, p_until,
      p_contacts, p_enrollments, p_touches, p_sender_nos, p_old, p_old_generations, p_old_touches, p_old_sender_nos, p_restartable,
      'restart', NULL) r;

  INSERT INTO enrollment_job_results (org_id, job_id, n, results) VALUES (p_org, p_job, p_at, v_results);
  UPDATE enrollment_jobs j SET next_index = p_next, after_contact = p_after, enrolled = j.enrolled + v_enrolled,
         skipped = j.skipped + p_skipped + v_skipped, refused = j.refused + p_refused
   WHERE j.org_id = p_org AND j.id = p_job;
  RETURN true;
END $$;

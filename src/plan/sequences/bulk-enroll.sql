-- bulk_enroll_chunk: one chunk of an enrolment job with its results, in one transaction. The results' row comes first:
-- another process at the same chunk waits there, then finds it done. False: it is done, or the job has ended, and
-- nothing was written. A cancel waits for the chunks in progress, and none begins after it.
DROP FUNCTION IF EXISTS bulk_enroll_chunk(uuid, uuid, int, jsonb, int, int, uuid, uuid, uuid, text, text, text,
  uuid[], timestamptz[], timestamptz[], date[], text, uuid[], uuid[], uuid[], int[], uuid[], int[], uuid[], int[], text[]);

CREATE OR REPLACE FUNCTION bulk_enroll_chunk(
  p_org uuid, p_job uuid, p_n int,
  -- decided by the caller: the results of those that are not to be enrolled, and how many of each
  p_others jsonb, p_skipped int, p_refused int,
  p_sequence uuid, p_version uuid, p_step uuid, p_channel text, p_mode text, p_actor text,
  p_senders uuid[], p_from timestamptz[], p_until timestamptz[], p_days date[], p_kept text[], p_group text,
  p_contacts uuid[], p_enrollments uuid[], p_touches uuid[], p_sender_nos int[],
  p_old uuid[], p_old_generations int[], p_old_touches uuid[], p_old_sender_nos int[], p_restartable text[],
  p_assignees uuid[] DEFAULT '{}'
) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz;
  v_ids uuid[];
  v_contacts uuid[] := p_contacts;
  v_old jsonb := '[]';
  v_restarted int := 0;
  v_lost jsonb := '[]';
BEGIN
  EXECUTE format('SET LOCAL app.org = %L', p_org);
  -- Before the time is taken: see enrollments_written.
  PERFORM pg_advisory_xact_lock_shared(5, lock_key(p_org));
  v_now := clock_timestamp();
  PERFORM FROM enrollment_jobs j WHERE j.org_id = p_org AND j.id = p_job AND j.status = 'running' FOR SHARE;
  IF NOT FOUND THEN RETURN false; END IF;
  INSERT INTO enrollment_job_results (org_id, job_id, n) VALUES (p_org, p_job, p_n) ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN RETURN false; END IF;

  IF cardinality(p_old) > 0 THEN
    SELECT jsonb_agg(jsonb_build_array(r.contact_id, r.result, r.reason, r.enrollment_id)), count(*) FILTER (WHERE r.result = 'enrolled')
      INTO v_old, v_restarted
      FROM enrollments_restart(p_org, p_version, p_step, p_channel, p_mode, p_job, p_actor, p_senders, p_from, p_until, p_days, p_kept, p_group,
        p_old, p_old_generations, p_old_touches, p_old_sender_nos, p_restartable, 'restart', v_now, p_assignees) r;
  END IF;
  v_ids := enroll_insert(p_org, p_sequence, p_version, p_step, p_channel, p_mode, p_job, p_actor, p_senders, p_from, p_until, p_days, p_kept, p_group,
    p_contacts, p_enrollments, p_touches, p_sender_nos, v_now, p_assignees);
  IF cardinality(v_ids) < cardinality(p_contacts) THEN
    SELECT coalesce(array_agg(i.contact ORDER BY i.n) FILTER (WHERE i.done), '{}'),
           jsonb_agg(jsonb_build_array(i.contact, 'skipped', r.reason, r.id)) FILTER (WHERE NOT i.done)
      INTO v_contacts, v_lost
      FROM (SELECT u.contact, u.n, u.enrollment = ANY (v_ids) AS done
              FROM unnest(p_contacts, p_enrollments) WITH ORDINALITY u(contact, enrollment, n)) i
      LEFT JOIN LATERAL enrollment_rival(p_org, p_sequence, p_group, i.contact) r ON NOT i.done;
  END IF;

  UPDATE enrollment_job_results r SET contacts = v_contacts, enrollments = v_ids, others = p_others || v_old || v_lost,
         enrolled = cardinality(v_ids) + v_restarted, refused = p_refused,
         skipped = p_skipped + jsonb_array_length(v_old) - v_restarted + jsonb_array_length(v_lost)
   WHERE r.org_id = p_org AND r.job_id = p_job AND r.n = p_n;
  RETURN true;
END $$;

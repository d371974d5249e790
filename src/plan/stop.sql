-- An End, first transaction: the flag, its event (an end is told by the status it leads to) and its audit record. Zero rows: the enrollment is not there, or not
-- in a status it may leave.
CREATE OR REPLACE FUNCTION enrollment_flag(
  p_org uuid, p_id uuid, p_from text[], p_to text, p_event text, p_reason text, p_actor text, p_audit jsonb, p_now timestamptz DEFAULT NULL,
  -- what ended it was the goal of its sequence: told beside the end, for the reports
  p_goal jsonb DEFAULT NULL
) RETURNS TABLE (contact_id uuid, epoch int, effective_at timestamptz, was text)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz := coalesce(p_now, clock_timestamp());
  v_old text;
  v_row enrollments;
BEGIN
  EXECUTE format('SET LOCAL app.org = %L', p_org);
  SELECT e.status INTO v_old FROM enrollments e WHERE e.org_id = p_org AND e.id = p_id AND e.status = ANY (p_from) FOR UPDATE;
  IF NOT FOUND THEN RETURN; END IF;
  UPDATE enrollments e SET status = p_to, status_reason = p_reason, epoch = e.epoch + 1, updated_at = v_now,
         ended_at = CASE WHEN p_to IN ('active', 'paused') THEN NULL ELSE v_now END,
         ended_by = CASE WHEN p_to IN ('active', 'paused') THEN NULL ELSE p_actor END
   WHERE e.org_id = p_org AND e.id = p_id
  RETURNING * INTO v_row;
  INSERT INTO events (org_id, at, type, reason, source_id, contact_id, sequence_id, step_id, actor)
    VALUES (p_org, v_now, CASE WHEN p_to = 'paused' THEN p_event ELSE p_to END, p_reason, p_id, v_row.contact_id, v_row.sequence_id, v_row.step_id, p_actor);
  IF p_goal IS NOT NULL THEN
    INSERT INTO events (org_id, at, type, reason, source_id, contact_id, sequence_id, step_id, actor, data)
      VALUES (p_org, v_now, 'converted', p_goal ->> 'goal', p_id, v_row.contact_id, v_row.sequence_id, v_row.step_id, p_actor, p_goal);
  END IF;
  PERFORM audit_write(p_org, p_audit, jsonb_build_object('was', v_old));
  RETURN QUERY SELECT v_row.contact_id, v_row.epoch, v_now, v_old;
END $$;

-- An End, second transaction: cancel what has not begun, waiting for the gates that hold it, then, in a LATER
-- statement, list what is in flight, and keep the receipt. SKIP LOCKED here gave 72 violations; one transaction for
-- flag, cancel and list gave one. If the epoch has moved, a later resume owns the touches: nothing is cancelled.
CREATE OR REPLACE FUNCTION enrollment_cancel(
  p_org uuid, p_id uuid, p_epoch int, p_reason text, p_receipt uuid, p_status text, p_actor text, p_effective_at timestamptz,
  p_now timestamptz DEFAULT NULL
) RETURNS TABLE (not_started int, in_flight uuid[])
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_contact uuid;
  v_epoch int;
  v_cancelled int := 0;
  v_flying uuid[];
BEGIN
  EXECUTE format('SET LOCAL app.org = %L', p_org);
  SELECT e.contact_id, e.epoch INTO v_contact, v_epoch FROM enrollments e WHERE e.org_id = p_org AND e.id = p_id FOR UPDATE;
  -- Also when another stop has come between: its cancel may still be due, and a gate from before both in progress.
  PERFORM FROM touches t WHERE t.org_id = p_org AND t.contact_id = v_contact AND t.source_id = p_id AND t.live ORDER BY t.id FOR UPDATE;
  IF v_epoch = p_epoch THEN
    v_cancelled := touches_cancel(p_org, ARRAY[p_id], ARRAY[v_contact], p_reason, p_actor, coalesce(p_now, clock_timestamp()));
  END IF;
  SELECT coalesce(array_agg(t.id), '{}') INTO v_flying FROM touches t
   WHERE t.org_id = p_org AND t.contact_id = v_contact AND t.source_id = p_id AND t.live AND t.state IN ('sending', 'unknown');
  INSERT INTO receipts (org_id, id, subject_type, subject_id, status, epoch, effective_at, not_started, in_flight, actor)
    VALUES (p_org, p_receipt, 'enrollment', p_id::text, p_status, p_epoch, p_effective_at, v_cancelled, v_flying, p_actor);
  RETURN QUERY SELECT v_cancelled, v_flying;
END $$;

-- Cancels the planned touches of these sources (each with its contact, for touches_live); waits for row locks.
-- The caller holds the sources' rows and has set the tenant.
CREATE OR REPLACE FUNCTION touches_cancel(
  p_org uuid, p_sources uuid[], p_contacts uuid[], p_reason text, p_actor text, p_now timestamptz
) RETURNS int
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_count int;
BEGIN
  PERFORM FROM touches t JOIN unnest(p_sources, p_contacts) s(source, contact) ON t.source_id = s.source AND t.contact_id = s.contact
   WHERE t.org_id = p_org AND t.live ORDER BY t.id FOR UPDATE OF t;
  WITH cancelled AS (
    UPDATE touches t SET state = 'cancelled', live = false, wake_at = NULL, held_by = NULL, reason = p_reason, settled_at = p_now
      FROM unnest(p_sources, p_contacts) s(source, contact)
     WHERE t.org_id = p_org AND t.source_id = s.source AND t.contact_id = s.contact AND t.live AND t.state = 'planned'
    RETURNING t.*
  ), told AS (
    INSERT INTO events (org_id, at, type, reason, source_id, touch_id, contact_id, sequence_id, step_id, sender_id, actor)
    SELECT p_org, p_now, 'cancelled', p_reason, c.source_id, c.id, c.contact_id, c.sequence_id, c.step_id, c.sender_id, p_actor FROM cancelled c
  )
  SELECT count(*)::int INTO v_count FROM cancelled;
  RETURN v_count;
END $$;

-- The circuit breaker of a sender starts its record anew: what went until now, and what becomes of it, counts no more.
-- The caller holds the sender's lock exclusively: no gate takes a place of these days meanwhile. Two days back by UTC is
-- yesterday in every zone.
CREATE OR REPLACE FUNCTION sender_record_anew(p_org uuid, p_sender uuid, p_now timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_since text := 'd' || ((p_now AT TIME ZONE 'UTC')::date - 2);
BEGIN
  PERFORM FROM sender_usage u WHERE u.org_id = p_org AND u.sender_id = p_sender AND u.period LIKE 'd%' AND u.period >= v_since ORDER BY u.period FOR UPDATE;
  UPDATE sender_usage u SET failed = 0, bounced = 0, bounced_later = 0, sends_before = u.used - u.to_members, anew_at = p_now
   WHERE u.org_id = p_org AND u.sender_id = p_sender AND u.period LIKE 'd%' AND u.period >= v_since;
END $$;

-- A Hold or its end: one row, under the exclusive lock of its class, which waits for the gates in progress. Answers
-- with the new epoch and, from a LATER statement, what is in flight. Zero rows: it already was so, or is not there.
CREATE OR REPLACE FUNCTION hold_flag(
  p_org uuid, p_class text, p_id text, p_paused boolean, p_reason text, p_audit jsonb, p_now timestamptz DEFAULT NULL
) RETURNS TABLE (epoch int, effective_at timestamptz)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz;
  v_epoch int;
  v_tripped boolean;
BEGIN
  EXECUTE format('SET LOCAL app.org = %L', p_org);
  PERFORM CASE p_class WHEN 'sequence' THEN lock_exclusive(2, p_org, p_id::uuid) WHEN 'sender' THEN lock_exclusive(3, p_org, p_id::uuid)
                       ELSE lock_exclusive(1, p_org, p_org) END;
  v_now := coalesce(p_now, clock_timestamp());
  IF p_class = 'sequence' THEN
    UPDATE sequences s SET status = CASE WHEN p_paused THEN 'paused' ELSE 'active' END, epoch = s.epoch + 1, updated_at = v_now
     WHERE s.org_id = p_org AND s.id = p_id::uuid AND s.status = CASE WHEN p_paused THEN 'active' ELSE 'paused' END RETURNING s.epoch INTO v_epoch;
  ELSIF p_class = 'sender' THEN
    SELECT starts_with(coalesce(s.status_reason, ''), 'circuit_breaker') INTO v_tripped FROM senders s WHERE s.org_id = p_org AND s.id = p_id::uuid FOR NO KEY UPDATE;
    UPDATE senders s SET status = CASE WHEN p_paused THEN 'paused' ELSE 'active' END, status_reason = p_reason, epoch = s.epoch + 1, updated_at = v_now
     WHERE s.org_id = p_org AND s.id = p_id::uuid AND s.status = CASE WHEN p_paused THEN 'active' ELSE 'paused' END RETURNING s.epoch INTO v_epoch;
  ELSIF p_class = 'channel' THEN
    INSERT INTO channel_switches AS w (org_id, channel, paused, epoch, updated_at) VALUES (p_org, p_id, p_paused, 1, v_now)
    ON CONFLICT (org_id, channel) DO UPDATE SET paused = excluded.paused, epoch = w.epoch + 1, updated_at = excluded.updated_at
     WHERE w.paused <> excluded.paused RETURNING w.epoch INTO v_epoch;
  ELSE
    UPDATE organizations o SET sending_paused = p_paused, epoch = o.epoch + 1, updated_at = v_now
     WHERE o.org_id = p_org AND o.sending_paused <> p_paused RETURNING o.epoch INTO v_epoch;
  END IF;
  IF v_epoch IS NULL THEN RETURN; END IF;
  IF v_tripped AND NOT p_paused THEN
    PERFORM sender_record_anew(p_org, p_id::uuid, v_now);
  END IF;
  PERFORM audit_write(p_org, p_audit, jsonb_build_object('epoch', v_epoch));
  -- In this transaction, so that a resume that is acknowledged always releases what it held.
  -- The second is for when a worker dies over the first: graphile-worker would give that job to another after 4 hours.
  IF NOT p_paused AND p_class <> 'organization' THEN
    PERFORM graphile_worker.add_job('release_held', j.payload),
            graphile_worker.add_job('release_held', j.payload, run_at => v_now + interval '20 seconds',
              job_key => concat_ws(':', 'release', p_org, p_class, p_id, v_epoch))
       FROM (SELECT json_build_object('org', p_org, 'class', p_class, 'id', p_id, 'epoch', v_epoch) AS payload) j;
  END IF;
  RETURN QUERY SELECT v_epoch, v_now;
END $$;

-- What of a class is in flight now: the open gates say which touches to look at.
CREATE OR REPLACE FUNCTION hold_receipt(
  p_org uuid, p_class text, p_id text, p_receipt uuid, p_status text, p_epoch int, p_effective_at timestamptz, p_actor text
) RETURNS TABLE (in_flight uuid[])
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_flying uuid[];
BEGIN
  EXECUTE format('SET LOCAL app.org = %L', p_org);
  SELECT coalesce(array_agg(t.id ORDER BY t.id), '{}') INTO v_flying
    FROM gates g CROSS JOIN unnest(g.touches) u(id) JOIN touches t ON t.org_id = p_org AND t.id = u.id
   WHERE g.org_id = p_org AND g.open > 0 AND t.token = g.token AND t.state IN ('sending', 'unknown')
     AND CASE p_class WHEN 'sequence' THEN t.sequence_id = p_id::uuid WHEN 'sender' THEN t.sender_id = p_id::uuid
                      WHEN 'channel' THEN t.channel = p_id ELSE true END;
  INSERT INTO receipts (org_id, id, subject_type, subject_id, status, epoch, effective_at, not_started, in_flight, actor)
    VALUES (p_org, p_receipt, p_class, p_id, p_status, p_epoch, p_effective_at, 0, v_flying, p_actor);
  RETURN QUERY SELECT v_flying;
END $$;

-- Marks up to p_limit touches of a held sequence (mark), or clears the marks of a class that runs again. Under the
-- shared lock of its class, and only while the epoch is the one it was queued for. Returns how many, null when the
-- epoch moved.
CREATE OR REPLACE FUNCTION hold_release(
  p_org uuid, p_class text, p_id text, p_epoch int, p_limit int, p_now timestamptz DEFAULT NULL
) RETURNS int
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_epoch int;
  v_ids uuid[];
  v_now timestamptz := coalesce(p_now, clock_timestamp());
BEGIN
  EXECUTE format('SET LOCAL app.org = %L', p_org);
  PERFORM pg_advisory_xact_lock_shared(1, lock_key(p_org));
  IF p_class = 'sequence' THEN
    PERFORM pg_advisory_xact_lock_shared(2, lock_bucket(p_org, p_id::uuid));
    SELECT s.epoch INTO v_epoch FROM sequences s WHERE s.org_id = p_org AND s.id = p_id::uuid AND s.status = 'active';
  ELSIF p_class = 'sender' THEN
    PERFORM pg_advisory_xact_lock_shared(3, lock_bucket(p_org, p_id::uuid));
    SELECT s.epoch INTO v_epoch FROM senders s WHERE s.org_id = p_org AND s.id = p_id::uuid AND s.status = 'active';
  ELSE
    SELECT w.epoch INTO v_epoch FROM channel_switches w WHERE w.org_id = p_org AND w.channel = p_id AND NOT w.paused;
  END IF;
  IF v_epoch IS DISTINCT FROM p_epoch THEN RETURN NULL; END IF;
  v_ids := ARRAY(SELECT t.id FROM touches t
    WHERE t.org_id = p_org AND t.live AND t.held_by = p_class
      AND CASE p_class WHEN 'sequence' THEN t.sequence_id = p_id::uuid WHEN 'sender' THEN t.sender_id = p_id::uuid ELSE t.channel = p_id END
    ORDER BY t.id LIMIT p_limit FOR UPDATE);
  UPDATE touches t SET held_by = NULL, wake_at = greatest(t.not_before, v_now), reason = NULL
   WHERE t.org_id = p_org AND t.id = ANY (v_ids) AND t.state = 'planned' AND t.held_by = p_class;
  RETURN cardinality(v_ids);
END $$;

-- Opting out, first transaction: everything (CON-4). The rows of the enrollments are held before their touches. Who
-- had opted out before is told so again, and nothing is written: a link may be pressed for ever. Enrollments whose
-- sequence then skips steps go on as the caller planned (skip-channel.sql); one that was not as it saw it:
-- serialization_failure, nothing written, read and decide again. A complaint (p_source) is no opt-out of one channel that
-- others outlast: it ends them whatever their sequence says.
CREATE OR REPLACE FUNCTION unsubscribe_flag(
  p_org uuid, p_contact uuid, p_channel text, p_source text, p_evidence text, p_touch uuid, p_consent uuid,
  p_actor_type text, p_actor_id text, p_audit jsonb, p_now timestamptz DEFAULT NULL,
  -- see skip-channel.ts
  p_skips jsonb DEFAULT '[]', p_strict boolean DEFAULT false
) RETURNS TABLE (sources uuid[], cancelled int, effective_at timestamptz)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz := coalesce(p_now, clock_timestamp());
  v_actor text := p_actor_type || ':' || p_actor_id;
  v_sources uuid[];
  v_skips uuid[];
  v_cancelled int := 0;
  v_skipped int := 0;
  v_again boolean;
BEGIN
  EXECUTE format('SET LOCAL app.org = %L', p_org);
  PERFORM FROM contacts c WHERE c.org_id = p_org AND c.id = p_contact;
  IF NOT FOUND THEN RETURN; END IF;
  WITH held AS (
    SELECT e.id, v.definition ->> 'on_unsubscribe' IS NOT DISTINCT FROM 'skip_steps' AND p_source <> 'complaint' AS skips, e.skip_channels
      FROM enrollments e JOIN sequence_versions v ON v.org_id = p_org AND v.id = e.version_id
     WHERE e.org_id = p_org AND e.contact_id = p_contact AND e.status IN ('active', 'paused')
       AND EXISTS (SELECT FROM jsonb_array_elements(v.definition -> 'steps') WITH ORDINALITY s(step, n)
                    WHERE s.n > e.step_no AND consent_channel(s.step ->> 'channel') = p_channel)
     ORDER BY e.id FOR UPDATE OF e
  )
  SELECT coalesce(array_agg(h.id ORDER BY h.id) FILTER (WHERE NOT h.skips), '{}'),
         coalesce(array_agg(h.id ORDER BY h.id) FILTER (WHERE h.skips AND p_channel = ANY (h.skip_channels) IS NOT TRUE), '{}')
    INTO v_sources, v_skips FROM held h;
  SELECT cardinality(v_sources) + cardinality(v_skips) = 0
         AND (a.address IS NULL OR p_channel = 'linkedin'
              OR EXISTS (SELECT FROM suppressions x WHERE x.org_id = p_org AND x.kind = address_kind(p_channel) AND x.address = a.address))
         AND coalesce((SELECT k.status = 'revoked' FROM consents k
           WHERE k.org_id = p_org AND k.contact_id = p_contact AND k.channel = p_channel ORDER BY k.id DESC LIMIT 1), false)
    INTO v_again FROM contacts c
    CROSS JOIN LATERAL (SELECT contact_address(p_channel, c.email, c.phone, c.whatsapp, c.telegram, c.linkedin) AS address) a
   WHERE c.org_id = p_org AND c.id = p_contact;
  IF v_again THEN
    RETURN QUERY SELECT v_sources, 0, v_now;
    RETURN;
  END IF;
  IF cardinality(v_skips) > 0 THEN
    -- All at once and in order, before either kind is written.
    PERFORM FROM touches t WHERE t.org_id = p_org AND t.contact_id = p_contact AND t.live AND t.source_id = ANY (v_sources || v_skips)
      ORDER BY t.id FOR UPDATE;
    v_skipped := enrollments_skip_channel(p_org, p_channel, v_skips, p_skips, p_strict, v_actor, v_now);
  END IF;
  UPDATE enrollments e SET status = 'unsubscribed', status_reason = 'unsubscribe_' || p_source, epoch = e.epoch + 1,
         updated_at = v_now, ended_at = v_now, ended_by = v_actor
   WHERE e.org_id = p_org AND e.id = ANY (v_sources);
  IF cardinality(v_sources) > 0 THEN
    v_cancelled := touches_cancel(p_org, v_sources, array_fill(p_contact, ARRAY[cardinality(v_sources)]), 'unsubscribed', v_actor, v_now);
  END IF;
  INSERT INTO suppressions (org_id, kind, address, reason, source, contact_id, touch_id, created_at)
    SELECT p_org, address_kind(p_channel), a.address, 'unsubscribe', p_source, p_contact, p_touch, v_now
      FROM contacts c CROSS JOIN LATERAL (SELECT contact_address(p_channel, c.email, c.phone, c.whatsapp, c.telegram, NULL) AS address) a
     WHERE c.org_id = p_org AND c.id = p_contact AND a.address IS NOT NULL
    ON CONFLICT (org_id, kind, address) DO NOTHING;
  INSERT INTO consents (org_id, contact_id, channel, id, status, source, evidence, actor_type, actor_id, at)
    VALUES (p_org, p_contact, p_channel, p_consent, 'revoked', p_source, p_evidence, p_actor_type, p_actor_id, v_now);
  INSERT INTO events (org_id, at, type, reason, source_id, touch_id, contact_id, actor)
    VALUES (p_org, v_now, 'unsubscribe', p_source, p_contact, p_touch, p_contact, v_actor);
  INSERT INTO events (org_id, at, type, reason, source_id, touch_id, contact_id, sequence_id, step_id, actor)
    SELECT p_org, v_now, 'unsubscribed', p_source, e.id, (SELECT t.id FROM touches t WHERE t.org_id = p_org AND t.id = p_touch AND t.source_id = e.id),
           p_contact, e.sequence_id, e.step_id, v_actor
      FROM enrollments e WHERE e.org_id = p_org AND e.id = ANY (v_sources);
  PERFORM audit_write(p_org, p_audit, jsonb_build_object('enrollments', v_sources, 'skipping', v_skips));
  PERFORM wake_waits(p_org, ARRAY[p_contact], p_now);
  RETURN QUERY SELECT v_sources, v_cancelled + v_skipped, v_now;
END $$;

-- Opting out, second transaction: what an enrolment committed beside the first planned is cancelled too, and what is
-- in flight is listed. (A touch planned later still is stopped by the gate, which reads the suppression; and there the
-- one of an enrollment that skips steps is passed over, unless it was a complaint.)
DROP FUNCTION IF EXISTS unsubscribe_cancel(uuid, uuid, text, uuid, int, text, timestamptz, timestamptz);

CREATE OR REPLACE FUNCTION unsubscribe_cancel(
  p_org uuid, p_contact uuid, p_channel text, p_receipt uuid, p_cancelled int, p_actor text, p_effective_at timestamptz, p_now timestamptz DEFAULT NULL,
  p_source text DEFAULT NULL
) RETURNS TABLE (in_flight uuid[])
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz := coalesce(p_now, clock_timestamp());
  v_sources uuid[];
  v_flying uuid[];
  v_more int := 0;
BEGIN
  EXECUTE format('SET LOCAL app.org = %L', p_org);
  v_sources := ARRAY(
    SELECT e.id FROM enrollments e JOIN sequence_versions v ON v.org_id = p_org AND v.id = e.version_id
      JOIN touches t ON t.org_id = p_org AND t.contact_id = p_contact AND t.source_id = e.id AND t.live
     WHERE e.org_id = p_org AND e.contact_id = p_contact AND e.status IN ('active', 'paused') AND consent_channel(t.channel) = p_channel
       AND (v.definition ->> 'on_unsubscribe' IS DISTINCT FROM 'skip_steps' OR p_source = 'complaint')
     ORDER BY e.id FOR UPDATE OF e);
  -- Waits for every gate that holds one, that of an enrollment which another stop has ended too.
  PERFORM FROM touches t WHERE t.org_id = p_org AND t.contact_id = p_contact AND t.live AND consent_channel(t.channel) = p_channel ORDER BY t.id FOR UPDATE;
  IF cardinality(v_sources) > 0 THEN
    UPDATE enrollments e SET status = 'unsubscribed', status_reason = 'unsubscribe', epoch = e.epoch + 1, updated_at = v_now, ended_at = v_now, ended_by = p_actor
     WHERE e.org_id = p_org AND e.id = ANY (v_sources);
    v_more := touches_cancel(p_org, v_sources, array_fill(p_contact, ARRAY[cardinality(v_sources)]), 'unsubscribed', p_actor, v_now);
    INSERT INTO events (org_id, at, type, reason, source_id, contact_id, sequence_id, step_id, actor)
      SELECT p_org, v_now, 'unsubscribed', 'unsubscribe', e.id, p_contact, e.sequence_id, e.step_id, p_actor
        FROM enrollments e WHERE e.org_id = p_org AND e.id = ANY (v_sources);
  END IF;
  SELECT coalesce(array_agg(t.id), '{}') INTO v_flying FROM touches t
   WHERE t.org_id = p_org AND t.contact_id = p_contact AND t.live AND consent_channel(t.channel) = p_channel AND t.state IN ('sending', 'unknown');
  INSERT INTO receipts (org_id, id, subject_type, subject_id, status, epoch, effective_at, not_started, in_flight, actor)
    VALUES (p_org, p_receipt, 'contact', p_contact::text, 'unsubscribed', 0, p_effective_at, p_cancelled + v_more, v_flying, p_actor);
  RETURN QUERY SELECT v_flying;
END $$;

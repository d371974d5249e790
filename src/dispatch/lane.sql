-- Looking for work, here and in lane_soonest and lane_waits, is one step into touches_due for each lane and priority. Asked
-- for the first touch, not whether there is one: for a yes or no the planner reads the table when one organization has
-- nearly all that is due (50,000 touches: 6 to 20 seconds). And without sequential scans, or a plan made while the
-- table was small is kept after it has grown. Both stand for reading a lane too.

-- lane_take: the lane that has waited longest among those with something due, or none. Runs as cadenza_picker, which
-- sees of touches only (org_id, priority, wake_at). The row is taken with SKIP LOCKED, so two workers never wait for
-- each other here; if they both believed they held a lane, the gate would still let each touch through once. For the
-- same reason taking, keeping and leaving do not wait for the disk: a lease that a crash of the server forgets harms
-- nobody, and a single touch on its way has one commit less before it.
-- p_only: a lane of this organization or none; who was told where something is due need not look at every lane.
DROP FUNCTION IF EXISTS lane_take(text, uuid, int, timestamptz);

CREATE OR REPLACE FUNCTION lane_take(p_worker text, p_token uuid, p_lease_ms int, p_now timestamptz DEFAULT NULL, p_only uuid DEFAULT NULL)
RETURNS TABLE (org_id uuid, shard smallint, expiries int, suspect uuid)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public
  SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz := coalesce(p_now, clock_timestamp());
  v_lane record;
  v_taken record;
BEGIN
  FOR v_lane IN
    SELECT l.org_id, l.shard
      FROM (SELECT a.* FROM lanes a WHERE p_only IS NULL UNION ALL SELECT a.* FROM lanes a WHERE a.org_id = p_only) l
     WHERE (l.lease_until IS NULL OR l.lease_until < v_now) AND (l.sleep_until IS NULL OR l.sleep_until <= v_now)
       AND EXISTS (SELECT FROM organizations o WHERE o.org_id = l.org_id AND o.status = 'active' AND NOT o.sending_paused)
       AND EXISTS (SELECT FROM generate_series(0, 3) p(priority)
             WHERE (SELECT t.wake_at FROM touches t WHERE t.org_id = l.org_id AND t.priority = p.priority AND t.wake_at IS NOT NULL
                     ORDER BY t.wake_at LIMIT 1) <= v_now)
     ORDER BY l.taken_at
     LIMIT 16
  LOOP
    SELECT l.lease_until, l.expiries, l.suspect INTO v_taken FROM lanes l
     WHERE l.org_id = v_lane.org_id AND l.shard = v_lane.shard AND (l.lease_until IS NULL OR l.lease_until < v_now)
       FOR UPDATE SKIP LOCKED;
    CONTINUE WHEN NOT FOUND;
    SET LOCAL synchronous_commit = off;
    -- A lease that ran out, instead of being let go, is counted: its holder died or froze.
    UPDATE lanes l SET locked_by = p_worker, token = p_token, lease_until = v_now + p_lease_ms * interval '1 millisecond',
           taken_at = v_now, sleep_until = NULL, expiries = CASE WHEN v_taken.lease_until IS NULL THEN 0 ELSE v_taken.expiries + 1 END
     WHERE l.org_id = v_lane.org_id AND l.shard = v_lane.shard;
    RETURN QUERY SELECT v_lane.org_id, v_lane.shard, CASE WHEN v_taken.lease_until IS NULL THEN 0 ELSE v_taken.expiries + 1 END, v_taken.suspect;
    RETURN;
  END LOOP;
END $$;

-- lane_soonest: milliseconds until somebody should look again, and where; no row: nothing is planned. So a worker sleeps
-- just that long. A length, not a time: the worker's clock may be another. What fell due since the last look counts as
-- now, unless its lane is worked: who works it will find it. (Older processes ask lane_next, which an upgrade leaves.)
CREATE OR REPLACE FUNCTION lane_soonest(p_now timestamptz DEFAULT NULL) RETURNS TABLE (ms float8, org_id uuid)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz := coalesce(p_now, clock_timestamp());
BEGIN
  RETURN QUERY SELECT greatest(extract(epoch FROM greatest(n.wake_at, l.sleep_until) - v_now)::float8 * 1000, 0), l.org_id
    FROM lanes l JOIN organizations o ON o.org_id = l.org_id AND o.status = 'active' AND NOT o.sending_paused
    CROSS JOIN generate_series(0, 3) p(priority)
    CROSS JOIN LATERAL (SELECT t.wake_at FROM touches t WHERE t.org_id = l.org_id AND t.priority = p.priority
       AND t.wake_at > CASE WHEN l.lease_until >= v_now THEN v_now ELSE '-infinity' END ORDER BY t.wake_at LIMIT 1) n
   ORDER BY greatest(n.wake_at, l.sleep_until) LIMIT 1;
END $$;

-- lane_waits: has another lane something due and nobody who works it? Then the turn of p_org's holder is over.
CREATE OR REPLACE FUNCTION lane_waits(p_org uuid, p_now timestamptz DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz := coalesce(p_now, clock_timestamp());
BEGIN
  RETURN EXISTS (
    SELECT FROM lanes l
     WHERE l.org_id <> p_org AND (l.lease_until IS NULL OR l.lease_until < v_now) AND (l.sleep_until IS NULL OR l.sleep_until <= v_now)
       AND EXISTS (SELECT FROM organizations o WHERE o.org_id = l.org_id AND o.status = 'active' AND NOT o.sending_paused)
       AND EXISTS (SELECT FROM generate_series(0, 3) p(priority)
             WHERE (SELECT t.wake_at FROM touches t WHERE t.org_id = l.org_id AND t.priority = p.priority AND t.wake_at IS NOT NULL
                     ORDER BY t.wake_at LIMIT 1) <= v_now));
END $$;

-- Whoever is to own a function needs CREATE at that moment (a superuser gives it without), and never again.
GRANT CREATE ON SCHEMA public TO cadenza_picker;

ALTER FUNCTION lane_take(text, uuid, int, timestamptz, uuid) OWNER TO cadenza_picker;

ALTER FUNCTION lane_soonest(timestamptz) OWNER TO cadenza_picker;

ALTER FUNCTION lane_waits(uuid, timestamptz) OWNER TO cadenza_picker;

REVOKE CREATE ON SCHEMA public FROM cadenza_picker;

-- lane_keep: the heartbeat. False: somebody else holds it now, stop reading it. `p_suspect`: the one touch about to be
-- worked when the lane is read one at a time.
CREATE OR REPLACE FUNCTION lane_keep(p_org uuid, p_shard int, p_token uuid, p_lease_ms int, p_progress boolean, p_suspect uuid, p_now timestamptz DEFAULT NULL)
RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
BEGIN
  SET LOCAL synchronous_commit = off;
  EXECUTE format('SET LOCAL app.org = %L', p_org);
  UPDATE lanes l SET lease_until = coalesce(p_now, clock_timestamp()) + p_lease_ms * interval '1 millisecond',
         expiries = CASE WHEN p_progress THEN 0 ELSE l.expiries END, suspect = p_suspect
   WHERE l.org_id = p_org AND l.shard = p_shard AND l.token = p_token;
  RETURN FOUND;
END $$;

-- lane_leave: lets the lane go; `p_sleep_ms` keeps others from taking it for nothing while what is due is in flight.
CREATE OR REPLACE FUNCTION lane_leave(p_org uuid, p_shard int, p_token uuid, p_sleep_ms int, p_now timestamptz DEFAULT NULL)
RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
BEGIN
  SET LOCAL synchronous_commit = off;
  EXECUTE format('SET LOCAL app.org = %L', p_org);
  UPDATE lanes l SET locked_by = NULL, token = NULL, lease_until = NULL, expiries = 0, suspect = NULL,
         sleep_until = CASE WHEN p_sleep_ms > 0 THEN coalesce(p_now, clock_timestamp()) + p_sleep_ms * interval '1 millisecond' END
   WHERE l.org_id = p_org AND l.shard = p_shard AND l.token = p_token;
  RETURN FOUND;
END $$;

DROP FUNCTION IF EXISTS lane_read(uuid, int, uuid[], uuid[], timestamptz);

-- lane_read: what is due in the lane, most urgent first, with all that composing and planning need. A plain read:
-- taking up writes nothing. Rows in `sending` still stand in the due index (wake_at changes at settle) and are passed
-- over, and so are senders that cannot take more now (p_skip_senders). p_only reads these touches instead, due or not.
-- p_people: with what people do, which the caller looks at and leaves to them; who does not say so, an older process in a
-- rolling deploy, would send it.
CREATE OR REPLACE FUNCTION lane_read(p_org uuid, p_limit int, p_skip_senders uuid[], p_only uuid[] DEFAULT NULL, p_now timestamptz DEFAULT NULL,
  p_people boolean DEFAULT false)
RETURNS TABLE (
  id uuid, state text, source_id uuid, sequence_id uuid, version_id uuid, step_id uuid, step_no int, generation int, n int,
  contact_id uuid, sender_id uuid, channel text, mode text, attempt int, key_n int, token uuid, looks smallint, needs_review boolean, contents text,
  first_called timestamptz, enrollment_status text, is_live boolean, thread text, thread_subject text,
  contact_version int, first_name text, last_name text, email text, phone text, whatsapp text, telegram text, linkedin text, company text, title text, attributes text,
  not_after float8, contact_zone text, kept_senders text, variant text
)
LANGUAGE plpgsql VOLATILE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz := coalesce(p_now, clock_timestamp());
BEGIN
  EXECUTE format('SET LOCAL app.org = %L', p_org);
  RETURN QUERY
  WITH due AS MATERIALIZED (
    SELECT d.* FROM generate_series(0, 3) p(priority) CROSS JOIN LATERAL (
      SELECT t.* FROM touches t
       WHERE t.org_id = p_org AND t.priority = p.priority AND t.wake_at <= v_now AND t.state IN ('planned', 'unknown')
         AND (t.sender_id <> ALL (p_skip_senders)) IS NOT FALSE AND (p_people OR t.mode = 'automatic' OR t.state = 'unknown')
       ORDER BY t.wake_at LIMIT p_limit) d
     WHERE p_only IS NULL
     LIMIT p_limit
  ), chosen AS (
    SELECT * FROM due
    UNION ALL
    SELECT t.* FROM touches t WHERE p_only IS NOT NULL AND t.org_id = p_org AND t.id = ANY (p_only)
  )
  SELECT d.id, d.state, d.source_id, d.sequence_id, d.version_id, d.step_id, d.step_no, d.generation, d.n,
         d.contact_id, d.sender_id, d.channel, d.mode, d.attempt, d.key_n, d.token, d.looks, d.needs_review,
         CASE WHEN d.state = 'unknown' THEN (SELECT g.contents ->> d.id::text FROM gates g WHERE g.org_id = p_org AND g.token = d.token) END, CASE WHEN d.state = 'unknown' THEN d.gated_at END,
         e.status, e.live_touch = d.id, CASE WHEN e.thread <> '{}' THEN array_to_string(e.thread, ',') END, e.thread_subject,
         c.version, c.first_name, c.last_name, c.email, c.phone, c.whatsapp, c.telegram, c.linkedin, c.company, c.title, CASE WHEN c.attributes <> '{}' THEN c.attributes::text END,
         round(date_part('epoch', d.not_after) * 1000), c.time_zone, array_to_string(e.kept_senders, ','),
         -- only of those that a gate has let go before
         CASE WHEN d.token IS NOT NULL THEN (SELECT v.variant FROM touch_variants v WHERE v.org_id = p_org AND v.step_id = d.step_id AND v.touch_id = d.id) END
    FROM chosen d
    -- One look-up a touch, written so that the planner has no choice: from small tables it learnt to compare each of 500
    -- touches with every contact of the organization.
    CROSS JOIN LATERAL (SELECT x.* FROM enrollments x WHERE x.org_id = p_org AND x.id = d.source_id LIMIT 1) e
    CROSS JOIN LATERAL (SELECT x.* FROM contacts x WHERE x.org_id = p_org AND x.id = d.contact_id LIMIT 1) c
   -- A join may come back in any order, and the gate gives the last places of a day to those that come first.
   ORDER BY d.priority, d.wake_at, d.id;
END $$;

-- enrollments_skip_channel: enrollments whose contact opts out of a channel, in sequences that then skip its steps
-- (CON-4): from now on they pass the channel over. One that waits for a planned touch of it has that touch skipped, and
-- waits for the next step of another channel, or ends: as p_skips says, an object for each as its caller saw it:
--   {id, status, version, touch, state, next: {id, step_id, step_no, n, channel, from, until} | null, ends, reason}
-- with times in milliseconds. The caller holds the enrollments and their live touches. With p_strict one that is not as
-- it was seen: serialization_failure. Without, its planned touch is left to the gate, which refuses it, and it is
-- passed over there. Returns how many planned touches were skipped.
CREATE OR REPLACE FUNCTION enrollments_skip_channel(
  p_org uuid, p_channel text, p_ids uuid[], p_skips jsonb, p_strict boolean, p_actor text, p_now timestamptz
) RETURNS int
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_seen jsonb;
  v_count int;
BEGIN
  SELECT coalesce(jsonb_agg(s), '[]') INTO v_seen
    FROM jsonb_array_elements(p_skips) s
    JOIN enrollments e ON e.org_id = p_org AND e.id = (s ->> 'id')::uuid AND e.id = ANY (p_ids)
    JOIN touches t ON t.org_id = p_org AND t.id = e.live_touch
   WHERE e.status = s ->> 'status' AND e.version_id = (s ->> 'version')::uuid AND e.live_touch = (s ->> 'touch')::uuid AND t.state = s ->> 'state';
  IF p_strict AND jsonb_array_length(v_seen) < cardinality(p_ids) THEN
    RAISE EXCEPTION 'an enrollment changed since it was read' USING ERRCODE = 'serialization_failure';
  END IF;

  WITH skipped AS (
    UPDATE touches t SET state = 'skipped', live = false, wake_at = NULL, held_by = NULL, reason = 'opted_out', settled_at = p_now
      FROM jsonb_array_elements(v_seen) s
     WHERE t.org_id = p_org AND t.id = (s ->> 'touch')::uuid AND t.state = 'planned' AND (s ->> 'ends' IS NOT NULL OR jsonb_typeof(s -> 'next') = 'object')
    RETURNING t.*
  ), told AS (
    INSERT INTO events (org_id, at, type, reason, source_id, touch_id, contact_id, sequence_id, step_id, sender_id, actor)
    SELECT p_org, p_now, 'skipped', 'opted_out', k.source_id, k.id, k.contact_id, k.sequence_id, k.step_id, k.sender_id, p_actor FROM skipped k
  )
  SELECT count(*)::int INTO v_count FROM skipped;

  -- The steps still to come, each told as skipped.
  INSERT INTO events (org_id, at, type, reason, source_id, contact_id, sequence_id, step_id, sender_id, actor)
    SELECT p_org, p_now, 'skipped', 'opted_out', e.id, e.contact_id, e.sequence_id, (s.step ->> 'id')::uuid, e.sender_id, p_actor
      FROM enrollments e JOIN sequence_versions v ON v.org_id = p_org AND v.id = e.version_id
      CROSS JOIN LATERAL jsonb_array_elements(v.definition -> 'steps') WITH ORDINALITY s(step, n)
     WHERE e.org_id = p_org AND e.id = ANY (p_ids) AND s.step ->> 'channel' = p_channel
       AND s.n > e.step_no AND (s.step ->> 'id')::uuid <> e.step_id;

  UPDATE enrollments e SET skip_channels = array_append(e.skip_channels, p_channel), updated_at = p_now
   WHERE e.org_id = p_org AND e.id = ANY (p_ids);
  WITH going AS (
    SELECT (s ->> 'id')::uuid AS id, s ->> 'ends' AS ends, s ->> 'reason' AS reason, s #>> '{next,channel}' AS channel,
           (s #>> '{next,id}')::uuid AS next_id, (s #>> '{next,step_id}')::uuid AS step_id, (s #>> '{next,step_no}')::int AS step_no,
           (s #>> '{next,n}')::int AS n, to_timestamp((s #>> '{next,from}')::float8 / 1000) AS from_at,
           to_timestamp((s #>> '{next,until}')::float8 / 1000) AS until_at
      FROM jsonb_array_elements(v_seen) s WHERE s ->> 'ends' IS NOT NULL OR jsonb_typeof(s -> 'next') = 'object'
  ), moved AS (
    UPDATE enrollments e SET live_touch = coalesce(g.next_id, e.live_touch), step_id = coalesce(g.step_id, e.step_id),
           step_no = coalesce(g.step_no, e.step_no), status = coalesce(g.ends, e.status), status_reason = coalesce(g.reason, e.status_reason),
           ended_at = CASE WHEN g.ends IS NULL THEN e.ended_at ELSE p_now END, ended_by = CASE WHEN g.ends IS NULL THEN e.ended_by ELSE p_actor END
      FROM going g WHERE e.org_id = p_org AND e.id = g.id
    RETURNING e.id, e.sequence_id, e.version_id, e.contact_id, e.generation, e.sender_id, e.step_id, e.step_no,
              g.ends, g.reason, g.next_id, g.n, g.channel, g.from_at, g.until_at
  ), planned AS (
    INSERT INTO touches (org_id, id, source_id, sequence_id, version_id, step_id, step_no, generation, n, contact_id, sender_id,
        channel, priority, wake_at, not_before, not_after, planned_by, created_at)
    SELECT p_org, m.next_id, m.id, m.sequence_id, m.version_id, m.step_id, m.step_no, m.generation, m.n, m.contact_id, m.sender_id,
        m.channel, 2, m.from_at, m.from_at, m.until_at, p_actor, p_now
      FROM moved m WHERE m.next_id IS NOT NULL
  )
  INSERT INTO events (org_id, at, type, reason, source_id, contact_id, sequence_id, step_id, sender_id, actor)
    SELECT p_org, p_now, m.ends, m.reason, m.id, m.contact_id, m.sequence_id, m.step_id, m.sender_id, p_actor
      FROM moved m WHERE m.ends IS NOT NULL;
  RETURN v_count;
END $$;

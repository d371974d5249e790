-- enrollments_skip_channel: enrollments whose contact opts out of a channel, in sequences that then skip its steps
-- (CON-4): from now on they pass the channel over. One that waits for a planned touch of it has that touch skipped, and
-- waits for the next step of another channel, or ends: as p_skips says, an object for each as its caller saw it (see
-- skip-channel.ts). The caller holds the enrollments and their live touches. With p_strict one that is not as it was
-- seen: serialization_failure. Without, its planned touch is left to the gate, which refuses it, and it is passed over
-- there. Returns how many planned touches were skipped.
CREATE OR REPLACE FUNCTION enrollments_skip_channel(
  p_org uuid, p_channel text, p_ids uuid[], p_skips jsonb, p_strict boolean, p_actor text, p_now timestamptz
) RETURNS int
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_seen uuid[];
  v_count int;
BEGIN
  v_seen := ARRAY(
    SELECT e.id FROM jsonb_to_recordset(p_skips) s(id uuid, status text, version uuid, touch uuid, state text)
      JOIN enrollments e ON e.org_id = p_org AND e.id = s.id AND e.status = s.status AND e.version_id = s.version AND e.live_touch = s.touch
      JOIN touches t ON t.org_id = p_org AND t.id = s.touch AND t.state = s.state
     WHERE s.id = ANY (p_ids));
  IF p_strict AND cardinality(v_seen) < cardinality(p_ids) THEN
    RAISE EXCEPTION 'an enrollment changed since it was read' USING ERRCODE = 'serialization_failure';
  END IF;
  UPDATE enrollments e SET skip_channels = array_append(e.skip_channels, p_channel), updated_at = p_now
   WHERE e.org_id = p_org AND e.id = ANY (p_ids);

  WITH going AS (
    SELECT s.id, s.touch, s.ends, s.reason, s.next_id, s.next_step, s.next_no, s.next_n, s.next_channel, s.next_mode, s.next_sender,
           to_timestamp(s.next_from / 1000) AS next_from, to_timestamp(s.next_until / 1000) AS next_until
      FROM jsonb_to_recordset(p_skips) s(id uuid, touch uuid, ends text, reason text, next_id uuid, next_step uuid, next_no int, next_n int,
        next_channel text, next_mode text, next_sender uuid, next_from float8, next_until float8)
     WHERE s.id = ANY (v_seen) AND (s.ends IS NOT NULL OR s.next_id IS NOT NULL)
  ), skipped AS (
    UPDATE touches t SET state = 'skipped', live = false, wake_at = NULL, held_by = NULL, reason = 'opted_out', settled_at = p_now
      FROM going g WHERE t.org_id = p_org AND t.id = g.touch
    RETURNING t.*
  ), moved AS (
    UPDATE enrollments e SET live_touch = coalesce(g.next_id, e.live_touch), step_id = coalesce(g.next_step, e.step_id),
           step_no = coalesce(g.next_no, e.step_no), status = coalesce(g.ends, e.status), status_reason = coalesce(g.reason, e.status_reason),
           ended_at = CASE WHEN g.ends IS NULL THEN e.ended_at ELSE p_now END, ended_by = CASE WHEN g.ends IS NULL THEN e.ended_by ELSE p_actor END
      FROM going g WHERE e.org_id = p_org AND e.id = g.id
    RETURNING e.*, g.next_n, g.next_id, g.next_channel, g.next_mode, g.next_sender, g.next_from, g.next_until, g.ends
  ), planned AS (
    INSERT INTO touches (org_id, id, source_id, sequence_id, version_id, step_id, step_no, generation, n, contact_id, sender_id,
        channel, mode, priority, wake_at, not_before, not_after, planned_by, created_at)
    SELECT p_org, m.next_id, m.id, m.sequence_id, m.version_id, m.step_id, m.step_no, m.generation, m.next_n, m.contact_id, m.next_sender,
        m.next_channel, m.next_mode, 2, m.next_from, m.next_from, m.next_until, p_actor, p_now
      -- the count makes the old touches leave touches_live before the new ones enter it
      FROM moved m WHERE m.next_id IS NOT NULL AND (SELECT count(*) FROM skipped) > 0
  ), told AS (
    INSERT INTO events (org_id, at, type, reason, source_id, touch_id, contact_id, sequence_id, step_id, sender_id, actor)
    SELECT p_org, p_now, 'skipped', 'opted_out', k.source_id, k.id, k.contact_id, k.sequence_id, k.step_id, k.sender_id, p_actor FROM skipped k
    UNION ALL
    SELECT p_org, p_now, m.ends, m.status_reason, m.id, NULL, m.contact_id, m.sequence_id, m.step_id, NULL, p_actor
      FROM moved m WHERE m.ends IS NOT NULL
  )
  SELECT count(*)::int INTO v_count FROM skipped;
  RETURN v_count;
END $$;

-- sender_gap: the gap before a touch's send in milliseconds, as gap.ts draws it: from the random end of the touch's id.
CREATE OR REPLACE FUNCTION sender_gap(p_touch uuid, p_min_s int, p_max_s int) RETURNS int
LANGUAGE sql IMMUTABLE AS $$
  SELECT (coalesce(p_min_s, 0) * 1000::bigint + (('x' || lpad(right(p_touch::text, 8), 16, '0'))::bit(64)::bigint
    * greatest(coalesce(p_max_s, p_min_s, 0) - coalesce(p_min_s, 0), 0) * 1000 >> 32))::int
$$;

-- slots_take: writes down which moments of a sender's these touches wait for; under the sender's `gap` row, which the
-- caller holds. Slots that are long over are swept out on the way.
DROP FUNCTION IF EXISTS slots_take(uuid, uuid, uuid[], float8[], int[]);

CREATE OR REPLACE FUNCTION slots_take(p_org uuid, p_sender uuid, p_touches uuid[], p_ats float8[], p_gaps int[], p_now timestamptz DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_now timestamptz := coalesce(p_now, clock_timestamp());
BEGIN
  EXECUTE format('SET LOCAL app.org = %L', p_org);
  DELETE FROM sender_slots s WHERE s.org_id = p_org AND s.sender_id = p_sender AND s.at < v_now - interval '1 day';
  INSERT INTO sender_slots AS s (org_id, sender_id, touch_id, at, gap_ms, taken_at)
    SELECT p_org, p_sender, i.touch, to_timestamp(i.at / 1000), i.gap, v_now FROM unnest(p_touches, p_ats, p_gaps) i(touch, at, gap) ORDER BY 3
  ON CONFLICT (org_id, sender_id, touch_id) DO UPDATE SET at = excluded.at, gap_ms = excluded.gap_ms, taken_at = excluded.taken_at;
END $$;

-- ledger_health: what should not be there, counted: active enrollments without exactly one waiting touch (I5), gates
-- whose lease is long over with touches still open, touches that wait for a person, and how late the oldest due one is.
CREATE OR REPLACE FUNCTION ledger_health(p_org uuid, p_now timestamptz DEFAULT NULL)
RETURNS TABLE (not_waiting int, stuck int, review int, late_s float8)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz := coalesce(p_now, clock_timestamp());
BEGIN
  RETURN QUERY SELECT
    (SELECT count(*)::int FROM enrollments e LEFT JOIN touches t ON t.org_id = p_org AND t.id = e.live_touch
      WHERE e.org_id = p_org AND e.status = 'active' AND t.live IS NOT TRUE),
    (SELECT count(*)::int FROM gates g CROSS JOIN unnest(g.touches) u(id) JOIN touches t ON t.org_id = p_org AND t.id = u.id
      WHERE g.org_id = p_org AND g.open > 0 AND g.lease_until < v_now - interval '1 minute' AND t.token = g.token AND t.state = 'sending'),
    (SELECT count(*)::int FROM gates g CROSS JOIN unnest(g.touches) u(id) JOIN touches t ON t.org_id = p_org AND t.id = u.id
      WHERE g.org_id = p_org AND g.open > 0 AND t.token = g.token AND t.state = 'unknown' AND t.needs_review),
    (SELECT extract(epoch FROM v_now - min(d.wake_at))::float8 FROM generate_series(0, 3) p(priority) CROSS JOIN LATERAL
      (SELECT t.wake_at FROM touches t WHERE t.org_id = p_org AND t.priority = p.priority AND t.wake_at <= v_now AND t.state = 'planned'
        ORDER BY t.wake_at LIMIT 1) d);
END $$;

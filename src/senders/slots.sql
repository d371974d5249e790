-- slots_assign: takes places on a sender's coming days for touches that were postponed, so that the next ones are
-- placed behind them. A plan, not a right: the gate's count decides on the day itself.
CREATE OR REPLACE FUNCTION slots_assign(p_org uuid, p_sender uuid, p_periods text[], p_counts int[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  EXECUTE format('SET LOCAL app.org = %L', p_org);
  INSERT INTO sender_usage AS u (org_id, sender_id, period, assigned)
    SELECT p_org, p_sender, i.period, i.n FROM unnest(p_periods, p_counts) i(period, n) ORDER BY 3
  ON CONFLICT (org_id, sender_id, period) DO UPDATE SET assigned = u.assigned + excluded.assigned;
END $$;

-- ramp_limit: what a sender with a ramp may send on a day: by the days since the first that it has used anything of, as
-- ramp.ts says. p_day and the periods of sender_usage are its own days (`d2026-11-22`).
CREATE OR REPLACE FUNCTION ramp_limit(p_org uuid, p_sender uuid, p_ramp jsonb, p_day text) RETURNS int
LANGUAGE sql STABLE AS $$
  SELECT (p_ramp ->> 'start')::int + (p_ramp ->> 'increase')::int * (greatest(substr(p_day, 2)::date - coalesce(
    (SELECT substr(u.period, 2)::date FROM sender_usage u WHERE u.org_id = p_org AND u.sender_id = p_sender AND u.period LIKE 'd%' AND u.used > 0
      ORDER BY u.period LIMIT 1), substr(p_day, 2)::date), 0) / (p_ramp ->> 'every_days')::int)
$$;

-- planning_read: what of the organization and these senders composing and planning go by, with the database's time, in
-- one round trip: it stands on the way of every touch. p_others: so many more senders, for who does not know yet which.
DROP FUNCTION IF EXISTS planning_read(uuid, uuid[], timestamptz);

CREATE OR REPLACE FUNCTION planning_read(p_org uuid, p_senders uuid[], p_now timestamptz DEFAULT NULL, p_others int DEFAULT 0)
RETURNS TABLE (now float8, has_holidays boolean, organization json, senders json)
LANGUAGE plpgsql VOLATILE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
BEGIN
  EXECUTE format('SET LOCAL app.org = %L', p_org);
  RETURN QUERY
  SELECT extract(epoch FROM coalesce(p_now, clock_timestamp()))::float8 * 1000,
         EXISTS (SELECT FROM holidays h WHERE h.org_id = p_org),
         json_build_object('name', o.name, 'time_zone', o.time_zone, 'policy_version', o.policy_version, 'postal_address', o.postal_address,
           'capped', o.contact_daily_cap IS NOT NULL OR o.contact_weekly_cap IS NOT NULL OR o.channel_caps IS NOT NULL,
           'capped_channels', CASE WHEN o.channel_caps IS NOT NULL THEN (SELECT array_agg(k ORDER BY k) FROM jsonb_object_keys(o.channel_caps) k) END, 'consent_required', o.consent_required,
           'unknown_policy', o.unknown_policy, 'quiet_hours', o.quiet_hours),
         (SELECT json_agg(json_build_object('id', s.id, 'version', s.version, 'channel', s.channel, 'provider', s.provider, 'status', s.status,
            'name', s.name, 'from_name', s.from_name, 'from_address', s.from_address, 'reply_to', s.reply_to, 'config', s.config,
            'secret', encode(s.secret, 'base64'), 'daily_limit', s.daily_limit, 'hourly_limit', s.hourly_limit, 'min_gap_s', s.min_gap_s, 'max_gap_s', s.max_gap_s, 'ramp', s.ramp, 'breaker', s.breaker, 'time_zone', s.time_zone,
            'sending_window', s.sending_window, 'unreachable', s.unreachable_since IS NOT NULL)) FROM senders s WHERE s.org_id = p_org AND s.id = ANY (p_senders || ARRAY(
            SELECT x.id FROM senders x WHERE x.org_id = p_org AND x.status <> 'archived' ORDER BY x.id LIMIT p_others)))
    FROM organizations o WHERE o.org_id = p_org;
END $$;

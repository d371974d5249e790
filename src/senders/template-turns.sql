-- Whoever is to own a function needs CREATE at that moment (a superuser gives it without), and never again.
GRANT CREATE ON SCHEMA public TO cadenza_picker;

-- template_turns_take: the senders whose templates are to be fetched now, the longest waiting first, over all
-- organizations. Taking one puts it to its next turn at once, so two processes never fetch the same, and one that fails or
-- whose process dies comes again with everybody else. The next turn is the sender's own second of the hour, which its id
-- gives: 30 to 90 minutes ahead, spread over the hour however many were made, or became due, together.
CREATE OR REPLACE FUNCTION template_turns_take(p_providers text[], p_limit int, p_now timestamptz DEFAULT NULL)
RETURNS TABLE (org_id uuid, id uuid)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz := coalesce(p_now, clock_timestamp());
BEGIN
  RETURN QUERY
  WITH turns AS MATERIALIZED (
    SELECT s.org_id, s.id, (hashtext(s.id::text) & 2147483647) % 3600 * interval '1 second' AS own FROM senders s
     WHERE s.channel = 'whatsapp' AND s.status = 'active' AND s.templates_due_at <= v_now AND s.provider = ANY (p_providers)
       AND EXISTS (SELECT FROM organizations o WHERE o.org_id = s.org_id AND o.status = 'active')
     ORDER BY s.templates_due_at LIMIT p_limit FOR NO KEY UPDATE OF s SKIP LOCKED
  )
  UPDATE senders s SET templates_due_at = date_bin('1 hour', v_now + interval '30 minutes' - t.own, 'epoch') + interval '1 hour' + t.own
    FROM turns t WHERE s.org_id = t.org_id AND s.id = t.id
  RETURNING s.org_id, s.id;
END $$;

ALTER FUNCTION template_turns_take(text[], int, timestamptz) OWNER TO cadenza_picker;

REVOKE CREATE ON SCHEMA public FROM cadenza_picker;

-- wake_waits: something happened to these contacts: their waits that have begun are looked at now, not when their time
-- is over. Called in the transaction that writes what happened, after it, so that whoever looks at a wake sees its cause.
-- Returns how many were woken. Nearly always none: one step into the small index touches_wait a contact.
--
-- A wait that is due already is written all the same: who looks at it just now has not seen what happened, and puts it
-- back to its deadline only if wake_at is still what it saw (look.ts). Held ones are looked at when they are let go.
-- The caller has set the tenant, or is outside of any transaction.
CREATE OR REPLACE FUNCTION wake_waits(p_org uuid, p_contacts uuid[], p_now timestamptz DEFAULT NULL) RETURNS int
LANGUAGE plpgsql VOLATILE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
  v_now timestamptz := coalesce(p_now, clock_timestamp());
  v_ids uuid[];
BEGIN
  EXECUTE format('SET LOCAL app.org = %L', p_org);
  SELECT array_agg(t.id ORDER BY t.id) INTO v_ids FROM touches t
   WHERE t.org_id = p_org AND t.contact_id = ANY (p_contacts) AND t.channel = 'wait' AND t.live
     AND t.not_after IS NOT NULL AND t.not_before <= v_now AND t.held_by IS NULL;
  IF v_ids IS NULL THEN RETURN 0; END IF;
  PERFORM FROM touches t WHERE t.org_id = p_org AND t.id = ANY (v_ids) ORDER BY t.id FOR UPDATE;
  UPDATE touches t SET wake_at = coalesce(p_now, clock_timestamp())
   WHERE t.org_id = p_org AND t.id = ANY (v_ids) AND t.state = 'planned' AND t.held_by IS NULL;
  PERFORM pg_notify('cadenza_wake', p_org::text);
  RETURN cardinality(v_ids);
END $$;

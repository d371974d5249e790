-- refresh_statistics: analyzes each table that nobody has analyzed yet, that has four times the pages it had then, or that is
-- small and holds twice the rows; returns how many. Runs as the tables' owner, who alone may.
--
-- A plan is kept as long as its connection, and without statistics a planner believes that an organization has one row of
-- everything: it reads all of them and compares, and goes on so when there are thousands (measured in the first minute of an
-- installation: 69 s for settling 500 touches beside 20,000 contacts). Autovacuum looks once a minute; this looks before
-- the first batch. A third of the usual sample will do until autovacuum looks: in the midst of a bulk enrolment a whole one
-- of four tables took over a second. Analyzing also ends the plans that were made before it, in every connection: rows that
-- only change, as lanes and quotas do with each touch, are no reason (a gate of one touch took 7 to 12 ms instead of 2).
CREATE OR REPLACE FUNCTION refresh_statistics() RETURNS int
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, public SET default_statistics_target = 30 AS $$
DECLARE
  v_table regclass;
  v_count int := 0;
BEGIN
  -- One at a time, and nobody waits for it.
  IF NOT pg_try_advisory_xact_lock(7236153) THEN RETURN 0; END IF;
  FOR v_table IN
    SELECT c.oid::regclass FROM pg_class c
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
       AND (pg_relation_size(c.oid) > c.relpages::bigint * 4 * current_setting('block_size')::int
            OR (c.relpages BETWEEN 1 AND 8 AND pg_stat_get_live_tuples(c.oid) > 2 * c.reltuples))
  LOOP
    EXECUTE format('ANALYZE %s', v_table);
    v_count := v_count + 1;
  END LOOP;
  RETURN v_count;
END $$;

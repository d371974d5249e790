-- events_partitions: the month partitions of events, from this month to p_months ahead; run by the owner at each
-- migration. Closed like the parent: row-level security forced, no grants, so that nobody reads round the policy. A month
-- that already has rows in the default partition stays there.
CREATE OR REPLACE FUNCTION events_partitions(p_months int, p_now timestamptz DEFAULT NULL) RETURNS int
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_first timestamptz := date_trunc('month', coalesce(p_now, clock_timestamp()), 'UTC');
  v_from timestamptz;
  v_name text;
  v_made int := 0;
BEGIN
  FOR n IN 0..p_months LOOP
    v_from := v_first + n * interval '1 month';
    v_name := 'events_' || to_char(v_from AT TIME ZONE 'UTC', 'YYYY_MM');
    CONTINUE WHEN to_regclass(v_name) IS NOT NULL;
    BEGIN
      EXECUTE format('CREATE TABLE %I PARTITION OF events FOR VALUES FROM (%L) TO (%L)', v_name, v_from,
        v_first + (n + 1) * interval '1 month');
      EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', v_name);
      EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', v_name);
      v_made := v_made + 1;
    EXCEPTION WHEN check_violation THEN NULL;
    END;
  END LOOP;
  RETURN v_made;
END $$;

-- Advisory lock classes: 1 organization (with its channel switches), 2 source, 3 sender, 4 intake of a sequence,
-- 5 enrolling (see enrollments_written), 6 mail to members. The gate takes them
-- shared, a stop exclusive, always in this order and ascending, before any row. Sources and senders share 16
-- buckets an organization: one lock per source ran out of shared memory at 16 gates of 500 on default settings.
CREATE OR REPLACE FUNCTION lock_key(p_org uuid) RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT ('x' || right(p_org::text, 8))::bit(32)::int $$;

CREATE OR REPLACE FUNCTION lock_bucket(p_org uuid, p_id uuid) RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT (('x' || right(p_org::text, 8))::bit(32)::int & ~15) | (('x' || right(p_id::text, 2))::bit(8)::int & 15) $$;

-- For a stop or resume of one source or sender: waits for the gates in progress.
CREATE OR REPLACE FUNCTION lock_exclusive(p_class int, p_org uuid, p_id uuid) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  IF p_class = 1 THEN PERFORM pg_advisory_xact_lock(1, lock_key(p_org));
  ELSE PERFORM pg_advisory_xact_lock(p_class, lock_bucket(p_org, p_id));
  END IF;
END $$;

-- A touch's id begins with its source's first 48 bits (kernel/ids.ts), so the touches of a source lie together in the
-- primary key, among those of the few sources of the same millisecond: no index of their own.
CREATE OR REPLACE FUNCTION first_touch_id(p_source uuid) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT (left(p_source::text, 13) || '-0000-0000-000000000000')::uuid $$;

CREATE OR REPLACE FUNCTION last_touch_id(p_source uuid) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT (left(p_source::text, 13) || '-ffff-ffff-ffffffffffff')::uuid $$;

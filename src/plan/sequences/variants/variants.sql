-- variant_of: the arm that a contact is assigned, as assignedArm() in arm.ts has it, for counting what has not been sent.
-- `p_variants`: those of the step in its version, each with its key and weight.
CREATE OR REPLACE FUNCTION variant_of(p_contact uuid, p_step uuid, p_variants jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT v.key
    FROM (SELECT a ->> 'key' AS key, (a ->> 'weight')::float8 AS weight FROM jsonb_array_elements(p_variants) a) v
   ORDER BY -ln((('x' || left(encode(sha256(convert_to(p_contact || '.' || p_step || '.' || v.key, 'UTF8')), 'hex'), 13))::bit(52)::bigint + 0.5::float8)
              / 4503599627370496::float8) / v.weight, v.key COLLATE "C"
   LIMIT 1
$$;

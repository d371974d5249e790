-- audit_write: the audit record of what the calling function does, in its transaction (TEN-5). `p_entry` comes from
-- auditEntry() in audit.ts; `p_data` is merged into its data. The caller has set the tenant.
CREATE OR REPLACE FUNCTION audit_write(p_org uuid, p_entry jsonb, p_data jsonb DEFAULT '{}') RETURNS void
LANGUAGE sql VOLATILE AS $$
  INSERT INTO audit_log (org_id, id, actor_type, actor_id, actor_name, action, subject_type, subject_id, data, request_id)
  VALUES (p_org, (p_entry ->> 'id')::uuid, p_entry ->> 'actor_type', p_entry ->> 'actor_id', p_entry ->> 'actor_name',
    p_entry ->> 'action', p_entry ->> 'subject_type', p_entry ->> 'subject_id', coalesce(p_entry -> 'data', '{}') || p_data,
    p_entry ->> 'request_id')
$$;

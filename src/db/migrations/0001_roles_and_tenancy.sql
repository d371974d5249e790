-- Roles. They belong to the whole cluster, so another database's migration may make them at the same moment.
DO $$
DECLARE role text;
BEGIN
  FOREACH role IN ARRAY ARRAY['cadenza_app', 'cadenza_picker', 'cadenza_readonly'] LOOP
    BEGIN
      EXECUTE format('CREATE ROLE %I NOLOGIN NOBYPASSRLS', role);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
  END LOOP;
END $$;

-- Not a superuser? Then the owner must be a member to give the picker's functions to it.
DO $$
BEGIN
  IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    BEGIN
      EXECUTE format('GRANT cadenza_picker TO %I', current_user);
    EXCEPTION WHEN OTHERS THEN
      IF NOT pg_has_role(current_user, 'cadenza_picker', 'MEMBER') THEN RAISE; END IF;
    END;
  END IF;
END $$;

REVOKE ALL ON SCHEMA public FROM PUBLIC;

GRANT USAGE ON SCHEMA public TO cadenza_app, cadenza_picker, cadenza_readonly;

-- Functions are for the application alone; one that is not says so itself.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT EXECUTE ON FUNCTIONS TO cadenza_app;

-- Readiness: is the schema the one this program knows?
GRANT SELECT ON schema_migrations TO cadenza_app, cadenza_readonly;

-- The organization a statement may see: set with SET LOCAL app.org; unset sees nothing.
CREATE FUNCTION current_org() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT nullif(current_setting('app.org', true), '')::uuid $$;

-- Makes a table a tenant table: row-level security forced, one policy, grants for the application and the
-- reporting role. Every table with org_id goes through here; the catalog test fails for one that did not.
CREATE FUNCTION tenant_table(p_table regclass, p_privileges text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', p_table);
  EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', p_table);
  EXECUTE format('CREATE POLICY tenant ON %s USING (org_id = nullif(current_setting(''app.org'', true), '''')::uuid) WITH CHECK (org_id = nullif(current_setting(''app.org'', true), '''')::uuid)', p_table);
  EXECUTE format('GRANT %s ON %s TO cadenza_app', p_privileges, p_table);
  EXECUTE format('GRANT SELECT ON %s TO cadenza_readonly', p_table);
END $$;

REVOKE ALL ON FUNCTION tenant_table(regclass, text) FROM PUBLIC, cadenza_app;

-- organizations: one row a tenant. `epoch` rises with each stop and resume of the whole organization.
CREATE TABLE organizations (
  org_id uuid PRIMARY KEY,
  name text NOT NULL CHECK (name <> ''),
  time_zone text NOT NULL DEFAULT 'UTC',
  status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'closing', 'closed')),
  sending_paused boolean NOT NULL DEFAULT false,
  epoch int NOT NULL DEFAULT 0,
  -- Rises with each change of a setting that composing or the gate reads.
  policy_version int NOT NULL DEFAULT 1,
  contact_daily_cap int CHECK (contact_daily_cap > 0),
  contact_weekly_cap int CHECK (contact_weekly_cap > 0),
  consent_required text[] NOT NULL DEFAULT '{}',
  postal_address text,
  unknown_policy text NOT NULL DEFAULT 'review' CHECK (unknown_policy IN ('review', 'assume_sent')),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

SELECT tenant_table('organizations', 'SELECT, INSERT, UPDATE');

-- directory: from the hash of a credential to its organization; all that is read before a tenant is known (I7).
CREATE TABLE directory (
  hash bytea PRIMARY KEY,
  org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
  kind text NOT NULL CHECK (kind IN ('api_key', 'session', 'hook'))
);

-- Whoever holds a credential may look its hash up; entries are made and removed inside their organization only.
ALTER TABLE directory ENABLE ROW LEVEL SECURITY;

ALTER TABLE directory FORCE ROW LEVEL SECURITY;

CREATE POLICY lookup ON directory FOR SELECT USING (true);

CREATE POLICY enter ON directory FOR INSERT WITH CHECK (org_id = nullif(current_setting('app.org', true), '')::uuid);

CREATE POLICY remove ON directory FOR DELETE USING (org_id = nullif(current_setting('app.org', true), '')::uuid);

GRANT SELECT, INSERT, DELETE ON directory TO cadenza_app;

CREATE INDEX directory_org ON directory (org_id);

CREATE TABLE members (
  org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
  id uuid NOT NULL,
  email text NOT NULL,
  name text NOT NULL,
  role text NOT NULL CHECK (role IN ('owner', 'admin', 'member', 'viewer')),
  created_at timestamptz NOT NULL DEFAULT now(),
  disabled_at timestamptz,
  PRIMARY KEY (org_id, id),
  UNIQUE (org_id, email)
);

SELECT tenant_table('members', 'SELECT, INSERT, UPDATE, DELETE');

CREATE TABLE api_keys (
  org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
  id uuid NOT NULL,
  name text NOT NULL CHECK (name <> ''),
  -- The first characters, to recognise a key by; the key itself is shown once and kept as a hash.
  prefix text NOT NULL,
  hash bytea NOT NULL,
  role text NOT NULL CHECK (role IN ('owner', 'admin', 'member', 'viewer')),
  scopes text[] NOT NULL DEFAULT '{}',
  created_by text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz,
  PRIMARY KEY (org_id, id),
  UNIQUE (org_id, hash)
);

SELECT tenant_table('api_keys', 'SELECT, INSERT, UPDATE');

-- Append-only: the application may add and read, never change.
CREATE TABLE audit_log (
  org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
  id uuid NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  actor_type text NOT NULL CHECK (actor_type IN ('api_key', 'member', 'worker', 'system', 'contact')),
  actor_id text NOT NULL,
  actor_name text NOT NULL,
  action text NOT NULL,
  subject_type text NOT NULL,
  subject_id text NOT NULL,
  data jsonb NOT NULL DEFAULT '{}',
  request_id text,
  PRIMARY KEY (org_id, id)
);

CREATE INDEX audit_log_subject ON audit_log (org_id, subject_type, subject_id, id);

SELECT tenant_table('audit_log', 'SELECT, INSERT');

CREATE TABLE security_events (
  org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
  id uuid NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  kind text NOT NULL CHECK (kind IN ('unknown_id', 'forbidden', 'revoked_credential', 'expired_credential')),
  actor_type text NOT NULL,
  actor_id text NOT NULL,
  ip text,
  data jsonb NOT NULL DEFAULT '{}',
  request_id text,
  -- over 1: a caller's further events of one minute, of which the first ones have rows of their own
  count int NOT NULL DEFAULT 1 CHECK (count > 0),
  PRIMARY KEY (org_id, id)
);

SELECT tenant_table('security_events', 'SELECT, INSERT');

-- idempotency_keys: the answer given to a write, kept 24 hours.
CREATE TABLE idempotency_keys (
  org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
  key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
  request_hash bytea NOT NULL,
  created_at timestamptz NOT NULL,
  -- The request that runs under this key, and when it last showed life. One that died is taken over; what it
  -- might still say afterwards carries the wrong claim and is not kept.
  claim uuid NOT NULL,
  alive_at timestamptz NOT NULL,
  -- null while the request is still running
  status int,
  headers jsonb,
  -- the answer, sealed: it may hold a key that is shown once
  body bytea,
  PRIMARY KEY (org_id, key)
);

CREATE INDEX idempotency_keys_age ON idempotency_keys (org_id, created_at);

SELECT tenant_table('idempotency_keys', 'SELECT, INSERT, UPDATE, DELETE');

-- The whole schema, read from a freshly migrated database by `npm run db:schema`. Not a migration: those are in
-- src/db/migrations, and functions beside the module that owns them.

CREATE TABLE api_keys (
  org_id uuid NOT NULL,
  id uuid NOT NULL,
  name text NOT NULL,
  prefix text NOT NULL,
  hash bytea NOT NULL,
  role text NOT NULL,
  scopes text[] DEFAULT '{}'::text[] NOT NULL,
  created_by text NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  expires_at timestamp with time zone,
  last_used_at timestamp with time zone,
  revoked_at timestamp with time zone,
  member_id uuid,
  CONSTRAINT api_keys_pkey PRIMARY KEY (org_id, id),
  CONSTRAINT api_keys_org_id_hash_key UNIQUE (org_id, hash),
  CONSTRAINT api_keys_name_check CHECK ((name <> ''::text)),
  CONSTRAINT api_keys_role_check CHECK ((role = ANY (ARRAY['owner'::text, 'admin'::text, 'member'::text, 'viewer'::text]))),
  CONSTRAINT api_keys_member FOREIGN KEY (org_id, member_id) REFERENCES members(org_id, id) ON DELETE CASCADE,
  CONSTRAINT api_keys_org_id_fkey FOREIGN KEY (org_id) REFERENCES organizations(org_id) ON DELETE CASCADE
);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON api_keys FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT INSERT, SELECT, UPDATE ON api_keys TO cadenza_app;
GRANT SELECT ON api_keys TO cadenza_readonly;

CREATE TABLE attribute_definitions (
  org_id uuid NOT NULL,
  key text NOT NULL,
  type text NOT NULL,
  label text NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT attribute_definitions_pkey PRIMARY KEY (org_id, key),
  CONSTRAINT attribute_definitions_key_check CHECK ((key ~ '^[a-z][a-z0-9_]{0,62}$'::text)),
  CONSTRAINT attribute_definitions_type_check CHECK ((type = ANY (ARRAY['text'::text, 'number'::text, 'boolean'::text, 'date'::text]))),
  CONSTRAINT attribute_definitions_org_id_fkey FOREIGN KEY (org_id) REFERENCES organizations(org_id) ON DELETE CASCADE
);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON attribute_definitions FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT DELETE, INSERT, SELECT, UPDATE ON attribute_definitions TO cadenza_app;
GRANT SELECT ON attribute_definitions TO cadenza_readonly;

CREATE TABLE audit_log (
  org_id uuid NOT NULL,
  id uuid NOT NULL,
  at timestamp with time zone DEFAULT now() NOT NULL,
  actor_type text NOT NULL,
  actor_id text NOT NULL,
  actor_name text NOT NULL,
  action text NOT NULL,
  subject_type text NOT NULL,
  subject_id text NOT NULL,
  data jsonb DEFAULT '{}'::jsonb NOT NULL,
  request_id text,
  CONSTRAINT audit_log_pkey PRIMARY KEY (org_id, id),
  CONSTRAINT audit_log_actor_type_check CHECK ((actor_type = ANY (ARRAY['api_key'::text, 'member'::text, 'worker'::text, 'system'::text, 'contact'::text]))),
  CONSTRAINT audit_log_org_id_fkey FOREIGN KEY (org_id) REFERENCES organizations(org_id) ON DELETE CASCADE
);
CREATE INDEX audit_log_subject ON public.audit_log USING btree (org_id, subject_type, subject_id, id);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON audit_log FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT INSERT, SELECT ON audit_log TO cadenza_app;
GRANT SELECT ON audit_log TO cadenza_readonly;

CREATE TABLE channel_switches (
  org_id uuid NOT NULL,
  channel text NOT NULL,
  paused boolean DEFAULT false NOT NULL,
  epoch integer DEFAULT 0 NOT NULL,
  updated_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT channel_switches_pkey PRIMARY KEY (org_id, channel),
  CONSTRAINT channel_switches_channel CHECK ((channel = ANY (ARRAY['email'::text, 'sms'::text, 'whatsapp'::text, 'whatsapp_lite'::text, 'telegram'::text, 'webhook'::text, 'call'::text, 'linkedin'::text, 'task'::text]))),
  CONSTRAINT channel_switches_org_id_fkey FOREIGN KEY (org_id) REFERENCES organizations(org_id) ON DELETE CASCADE
);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON channel_switches FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT INSERT, SELECT, UPDATE ON channel_switches TO cadenza_app;
GRANT SELECT ON channel_switches TO cadenza_readonly;

CREATE TABLE consents (
  org_id uuid NOT NULL,
  contact_id uuid NOT NULL,
  channel text NOT NULL,
  id uuid NOT NULL,
  status text NOT NULL,
  source text NOT NULL,
  evidence text,
  actor_type text NOT NULL,
  actor_id text NOT NULL,
  at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT consents_pkey PRIMARY KEY (org_id, contact_id, channel, id),
  CONSTRAINT consents_channel_check CHECK ((channel = ANY (ARRAY['email'::text, 'sms'::text, 'whatsapp'::text, 'call'::text, 'linkedin'::text, 'telegram'::text]))),
  CONSTRAINT consents_status_check CHECK ((status = ANY (ARRAY['granted'::text, 'revoked'::text]))),
  CONSTRAINT consents_org_id_contact_id_fkey FOREIGN KEY (org_id, contact_id) REFERENCES contacts(org_id, id) ON DELETE CASCADE
);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON consents FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT INSERT, SELECT ON consents TO cadenza_app;
GRANT SELECT ON consents TO cadenza_readonly;

CREATE TABLE contact_addresses (
  org_id uuid NOT NULL,
  contact_id uuid NOT NULL,
  kind text NOT NULL,
  address text NOT NULL,
  label text,
  CONSTRAINT contact_addresses_pkey PRIMARY KEY (org_id, contact_id, kind, address),
  CONSTRAINT contact_addresses_kind_check CHECK ((kind = ANY (ARRAY['email'::text, 'phone'::text, 'whatsapp'::text, 'linkedin'::text, 'telegram'::text]))),
  CONSTRAINT contact_addresses_org_id_contact_id_fkey FOREIGN KEY (org_id, contact_id) REFERENCES contacts(org_id, id) ON DELETE CASCADE
);
CREATE INDEX contact_addresses_address ON public.contact_addresses USING btree (org_id, kind, address);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON contact_addresses FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT DELETE, INSERT, SELECT, UPDATE ON contact_addresses TO cadenza_app;
GRANT SELECT ON contact_addresses TO cadenza_readonly;

CREATE TABLE contact_channel_usage (
  org_id uuid NOT NULL,
  contact_id uuid NOT NULL,
  channel text NOT NULL,
  day date NOT NULL,
  used integer DEFAULT 0 NOT NULL,
  CONSTRAINT contact_channel_usage_pkey PRIMARY KEY (org_id, contact_id, channel, day),
  CONSTRAINT contact_channel_usage_used_check CHECK ((used >= 0))
) WITH (fillfactor=70);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON contact_channel_usage FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT DELETE, INSERT, SELECT, UPDATE ON contact_channel_usage TO cadenza_app;
GRANT SELECT ON contact_channel_usage TO cadenza_readonly;

CREATE TABLE contact_events (
  org_id uuid NOT NULL,
  id uuid NOT NULL,
  contact_id uuid NOT NULL,
  name text NOT NULL,
  at timestamp with time zone NOT NULL,
  source text NOT NULL,
  external_id text,
  touch_id uuid,
  properties jsonb DEFAULT '{}'::jsonb NOT NULL,
  told_by text NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  reacted_at timestamp with time zone,
  CONSTRAINT contact_events_pkey PRIMARY KEY (org_id, id),
  CONSTRAINT contact_events_name_check CHECK ((name ~ '^[a-z0-9][a-z0-9_.:-]{0,99}$'::text)),
  CONSTRAINT contact_events_source_check CHECK ((source <> ''::text)),
  CONSTRAINT contact_events_org_id_contact_id_fkey FOREIGN KEY (org_id, contact_id) REFERENCES contacts(org_id, id)
);
CREATE INDEX contact_events_contact ON public.contact_events USING btree (org_id, contact_id, name, at);
CREATE UNIQUE INDEX contact_events_external ON public.contact_events USING btree (org_id, source, external_id) WHERE (external_id IS NOT NULL);
CREATE INDEX contact_events_name ON public.contact_events USING btree (org_id, name, at);
CREATE INDEX contact_events_waiting ON public.contact_events USING btree (org_id, id) WHERE (reacted_at IS NULL);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON contact_events FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT INSERT, SELECT, UPDATE (touch_id, reacted_at) ON contact_events TO cadenza_app;
GRANT SELECT ON contact_events TO cadenza_readonly;

CREATE TABLE contact_tags (
  org_id uuid NOT NULL,
  tag text NOT NULL,
  contact_id uuid NOT NULL,
  CONSTRAINT contact_tags_pkey PRIMARY KEY (org_id, tag, contact_id),
  CONSTRAINT contact_tags_tag_check CHECK ((tag <> ''::text)),
  CONSTRAINT contact_tags_org_id_contact_id_fkey FOREIGN KEY (org_id, contact_id) REFERENCES contacts(org_id, id) ON DELETE CASCADE
);
CREATE INDEX contact_tags_contact ON public.contact_tags USING btree (org_id, contact_id);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON contact_tags FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT DELETE, INSERT, SELECT ON contact_tags TO cadenza_app;
GRANT SELECT ON contact_tags TO cadenza_readonly;

CREATE TABLE contact_usage (
  org_id uuid NOT NULL,
  contact_id uuid NOT NULL,
  day date NOT NULL,
  used integer DEFAULT 0 NOT NULL,
  CONSTRAINT contact_usage_pkey PRIMARY KEY (org_id, contact_id, day),
  CONSTRAINT contact_usage_used_check CHECK ((used >= 0))
) WITH (fillfactor=70);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON contact_usage FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT DELETE, INSERT, SELECT, UPDATE ON contact_usage TO cadenza_app;
GRANT SELECT ON contact_usage TO cadenza_readonly;

CREATE TABLE contacts (
  org_id uuid NOT NULL,
  id uuid NOT NULL,
  version integer DEFAULT 1 NOT NULL,
  external_id text,
  first_name text,
  last_name text,
  company text,
  title text,
  email text,
  phone text,
  whatsapp text,
  linkedin text,
  telegram text,
  locale text,
  time_zone text,
  time_zone_from text,
  attributes jsonb DEFAULT '{}'::jsonb NOT NULL,
  import_id uuid,
  search_name text GENERATED ALWAYS AS (lower(((COALESCE(first_name, ''::text) || ' '::text) || COALESCE(last_name, ''::text)))) STORED,
  search_last_name text GENERATED ALWAYS AS (lower(last_name)) STORED,
  search_company text GENERATED ALWAYS AS (lower(company)) STORED,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  updated_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT contacts_pkey PRIMARY KEY (org_id, id),
  CONSTRAINT contacts_time_zone_from_check CHECK ((time_zone_from = ANY (ARRAY['given'::text, 'phone'::text]))),
  CONSTRAINT contacts_org_id_fkey FOREIGN KEY (org_id) REFERENCES organizations(org_id) ON DELETE CASCADE
) WITH (fillfactor=85);
CREATE INDEX contacts_company ON public.contacts USING btree (org_id, search_company text_pattern_ops) WHERE (search_company IS NOT NULL);
CREATE UNIQUE INDEX contacts_email ON public.contacts USING btree (org_id, email text_pattern_ops) WHERE (email IS NOT NULL);
CREATE UNIQUE INDEX contacts_external_id ON public.contacts USING btree (org_id, external_id) WHERE (external_id IS NOT NULL);
CREATE INDEX contacts_last_name ON public.contacts USING btree (org_id, search_last_name text_pattern_ops) WHERE (search_last_name IS NOT NULL);
CREATE INDEX contacts_name ON public.contacts USING btree (org_id, search_name text_pattern_ops);
CREATE INDEX contacts_phone ON public.contacts USING btree (org_id, phone text_pattern_ops) WHERE (phone IS NOT NULL);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON contacts FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT DELETE, INSERT, SELECT, UPDATE ON contacts TO cadenza_app;
GRANT SELECT ON contacts TO cadenza_readonly;

CREATE TABLE directory (
  hash bytea NOT NULL,
  org_id uuid NOT NULL,
  kind text NOT NULL,
  CONSTRAINT directory_pkey PRIMARY KEY (hash),
  CONSTRAINT directory_kind_check CHECK ((kind = ANY (ARRAY['api_key'::text, 'session'::text, 'hook'::text]))),
  CONSTRAINT directory_org_id_fkey FOREIGN KEY (org_id) REFERENCES organizations(org_id) ON DELETE CASCADE
);
CREATE INDEX directory_org ON public.directory USING btree (org_id);
-- row-level security: ENABLE, FORCE
CREATE POLICY enter ON directory FOR INSERT TO public WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
CREATE POLICY lookup ON directory FOR SELECT TO public USING true;
CREATE POLICY remove ON directory FOR DELETE TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT DELETE, INSERT, SELECT ON directory TO cadenza_app;

CREATE TABLE drafting_usage (
  org_id uuid NOT NULL,
  day date NOT NULL,
  drafts integer DEFAULT 0 NOT NULL,
  tokens bigint DEFAULT 0 NOT NULL,
  CONSTRAINT drafting_usage_pkey PRIMARY KEY (org_id, day)
);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON drafting_usage FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT INSERT, SELECT, UPDATE ON drafting_usage TO cadenza_app;
GRANT SELECT ON drafting_usage TO cadenza_readonly;

CREATE TABLE due_steps (
  org_id uuid NOT NULL,
  touch_id uuid NOT NULL,
  draft_subject text,
  draft_text text,
  draft_html text,
  draft_source text,
  drafted_at timestamp with time zone,
  opened_by text,
  opened_at timestamp with time zone,
  started_by text,
  started_at timestamp with time zone,
  outcome text,
  note text,
  done_by text,
  done_at timestamp with time zone,
  went jsonb,
  CONSTRAINT due_steps_pkey PRIMARY KEY (org_id, touch_id),
  CONSTRAINT due_steps_done CHECK (((outcome IS NULL) = (done_at IS NULL))),
  CONSTRAINT due_steps_draft CHECK (((draft_source IS NULL) = (drafted_at IS NULL))),
  CONSTRAINT due_steps_draft_source_check CHECK ((draft_source = ANY (ARRAY['person'::text, 'model'::text])))
);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON due_steps FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT INSERT, SELECT, UPDATE ON due_steps TO cadenza_app;
GRANT SELECT ON due_steps TO cadenza_readonly;

CREATE TABLE enrollment_job_results (
  org_id uuid NOT NULL,
  job_id uuid NOT NULL,
  n integer NOT NULL,
  enrolled integer DEFAULT 0 NOT NULL,
  skipped integer DEFAULT 0 NOT NULL,
  refused integer DEFAULT 0 NOT NULL,
  contacts uuid[] DEFAULT '{}'::uuid[] NOT NULL,
  enrollments uuid[] DEFAULT '{}'::uuid[] NOT NULL,
  others jsonb DEFAULT '[]'::jsonb NOT NULL,
  CONSTRAINT enrollment_job_results_pkey PRIMARY KEY (org_id, job_id, n),
  CONSTRAINT enrollment_job_results_org_id_job_id_fkey FOREIGN KEY (org_id, job_id) REFERENCES enrollment_jobs(org_id, id) ON DELETE CASCADE
);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON enrollment_job_results FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT INSERT, SELECT, UPDATE ON enrollment_job_results TO cadenza_app;
GRANT SELECT ON enrollment_job_results TO cadenza_readonly;

CREATE TABLE enrollment_jobs (
  org_id uuid NOT NULL,
  id uuid NOT NULL,
  sequence_id uuid NOT NULL,
  policy text,
  status text NOT NULL,
  tag text,
  contact_ids uuid[] NOT NULL,
  chunk integer NOT NULL,
  total integer NOT NULL,
  error text,
  created_by text NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  started_at timestamp with time zone,
  ended_at timestamp with time zone,
  policy_days integer,
  segment_id uuid,
  entries text[],
  rows integer[],
  assignees uuid[] DEFAULT '{}'::uuid[] NOT NULL,
  CONSTRAINT enrollment_jobs_pkey PRIMARY KEY (org_id, id),
  CONSTRAINT enrollment_jobs_chunk_check CHECK ((chunk > 0)),
  CONSTRAINT enrollment_jobs_policy_check CHECK ((policy = ANY (ARRAY['never'::text, 'after_days'::text, 'if_ended'::text, 'restart'::text]))),
  CONSTRAINT enrollment_jobs_policy_days CHECK ((COALESCE((policy = 'after_days'::text), false) = (policy_days IS NOT NULL))),
  CONSTRAINT enrollment_jobs_policy_days_check CHECK ((policy_days > 0)),
  CONSTRAINT enrollment_jobs_status_check CHECK ((status = ANY (ARRAY['queued'::text, 'running'::text, 'completed'::text, 'cancelled'::text, 'failed'::text]))),
  CONSTRAINT enrollment_jobs_org_id_sequence_id_fkey FOREIGN KEY (org_id, sequence_id) REFERENCES sequences(org_id, id) ON DELETE CASCADE
);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON enrollment_jobs FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT INSERT, SELECT, UPDATE ON enrollment_jobs TO cadenza_app;
GRANT SELECT ON enrollment_jobs TO cadenza_readonly;

CREATE TABLE enrollments (
  org_id uuid NOT NULL,
  id uuid NOT NULL,
  sequence_id uuid NOT NULL,
  version_id uuid NOT NULL,
  contact_id uuid NOT NULL,
  status text NOT NULL,
  status_reason text,
  epoch integer DEFAULT 0 NOT NULL,
  generation integer DEFAULT 1 NOT NULL,
  step_no integer DEFAULT 0 NOT NULL,
  step_id uuid NOT NULL,
  live_touch uuid NOT NULL,
  thread text[] DEFAULT '{}'::text[] NOT NULL,
  thread_subject text,
  job_id uuid,
  enrolled_by text NOT NULL,
  ended_by text,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  updated_at timestamp with time zone DEFAULT now() NOT NULL,
  ended_at timestamp with time zone,
  had_steps uuid[],
  skip_channels text[],
  kept_senders uuid[],
  assignee_id uuid,
  exclusive_group text,
  intake_day date,
  CONSTRAINT enrollments_pkey PRIMARY KEY (org_id, id),
  CONSTRAINT enrollments_ended CHECK (((ended_at IS NULL) = (status = ANY (ARRAY['active'::text, 'paused'::text])))),
  CONSTRAINT enrollments_status CHECK ((status = ANY (ARRAY['active'::text, 'paused'::text, 'completed'::text, 'failed'::text, 'exited'::text, 'bounced'::text, 'unsubscribed'::text, 'unenrolled'::text]))),
  CONSTRAINT enrollments_org_id_contact_id_fkey FOREIGN KEY (org_id, contact_id) REFERENCES contacts(org_id, id),
  CONSTRAINT enrollments_org_id_sequence_id_fkey FOREIGN KEY (org_id, sequence_id) REFERENCES sequences(org_id, id)
) WITH (fillfactor=45);
CREATE INDEX enrollments_assigned ON public.enrollments USING btree (org_id, assignee_id) WHERE ((assignee_id IS NOT NULL) AND (status = ANY (ARRAY['active'::text, 'paused'::text])));
CREATE INDEX enrollments_contact ON public.enrollments USING btree (org_id, contact_id, sequence_id, id);
CREATE UNIQUE INDEX enrollments_exclusive ON public.enrollments USING btree (org_id, exclusive_group, contact_id) WHERE ((exclusive_group IS NOT NULL) AND (status = ANY (ARRAY['active'::text, 'paused'::text])));
CREATE INDEX enrollments_intake ON public.enrollments USING btree (org_id, sequence_id, intake_day) WHERE (intake_day IS NOT NULL);
CREATE UNIQUE INDEX enrollments_live ON public.enrollments USING btree (org_id, sequence_id, contact_id) WHERE (status = ANY (ARRAY['active'::text, 'paused'::text]));
CREATE INDEX enrollments_sequence ON public.enrollments USING btree (org_id, sequence_id, status, id);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON enrollments FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT INSERT, SELECT, UPDATE ON enrollments TO cadenza_app;
GRANT SELECT ON enrollments TO cadenza_readonly;

CREATE TABLE event_reactions (
  org_id uuid NOT NULL,
  event_id uuid NOT NULL,
  reaction text NOT NULL,
  subject_id uuid NOT NULL,
  reason text,
  result text NOT NULL,
  detail text,
  contact_id uuid,
  sequence_id uuid,
  enrollment_id uuid,
  receipt_id uuid,
  at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT event_reactions_pkey PRIMARY KEY (org_id, event_id, reaction, subject_id),
  CONSTRAINT event_reactions_reaction_check CHECK ((reaction ~ '^[a-z_]+$'::text)),
  CONSTRAINT event_reactions_result CHECK ((result = ANY (ARRAY['pending'::text, 'done'::text, 'skipped'::text, 'refused'::text, 'failed'::text]))),
  CONSTRAINT event_reactions_org_id_event_id_fkey FOREIGN KEY (org_id, event_id) REFERENCES contact_events(org_id, id) ON DELETE CASCADE
);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON event_reactions FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT INSERT, SELECT, UPDATE ON event_reactions TO cadenza_app;
GRANT SELECT ON event_reactions TO cadenza_readonly;

CREATE TABLE events (
  org_id uuid NOT NULL,
  at timestamp with time zone NOT NULL,
  type text NOT NULL,
  reason text,
  source_id uuid NOT NULL,
  touch_id uuid,
  contact_id uuid,
  sequence_id uuid,
  step_id uuid,
  sender_id uuid,
  attempt integer,
  token uuid,
  actor text,
  data jsonb,
  CONSTRAINT events_type CHECK ((type = ANY (ARRAY['enrolled'::text, 'pause'::text, 'resume'::text, 'advance'::text, 'restart'::text, 'moved'::text, 'completed'::text, 'exited'::text, 'converted'::text, 'bounced'::text, 'unsubscribed'::text, 'unenrolled'::text, 'failed'::text, 'sent'::text, 'retry'::text, 'not_started'::text, 'unknown'::text, 'cancelled'::text, 'skipped'::text, 'postponed'::text, 'held'::text, 'looked_up'::text, 'resolved'::text, 'needs_review'::text, 'drafted'::text, 'started'::text, 'done'::text, 'assigned'::text, 'delivered'::text, 'bounce'::text, 'complained'::text, 'opened'::text, 'clicked'::text, 'replied'::text, 'unsubscribe'::text])))
) PARTITION BY RANGE (at);
CREATE INDEX events_converted ON ONLY public.events USING btree (org_id, sequence_id, at) WHERE (type = 'converted'::text);
CREATE INDEX events_source ON ONLY public.events USING btree (org_id, source_id, at);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON events FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT INSERT, SELECT ON events TO cadenza_app;
GRANT SELECT ON events TO cadenza_readonly;

CREATE TABLE events_default PARTITION OF events DEFAULT;
-- row-level security: ENABLE, FORCE

CREATE TABLE gates (
  org_id uuid NOT NULL,
  token uuid NOT NULL,
  worker text NOT NULL,
  gated_at timestamp with time zone NOT NULL,
  lease_until timestamp with time zone NOT NULL,
  touches uuid[] NOT NULL,
  open integer NOT NULL,
  rules jsonb NOT NULL,
  contents json,
  CONSTRAINT gates_pkey PRIMARY KEY (org_id, token)
) WITH (fillfactor=70);
CREATE INDEX gates_open ON public.gates USING btree (org_id, lease_until) WHERE (open > 0);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON gates FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT INSERT, SELECT, UPDATE ON gates TO cadenza_app;
GRANT SELECT ON gates TO cadenza_readonly;

CREATE TABLE holidays (
  org_id uuid NOT NULL,
  country text NOT NULL,
  day date NOT NULL,
  name text NOT NULL,
  CONSTRAINT holidays_pkey PRIMARY KEY (org_id, country, day),
  CONSTRAINT holidays_country_check CHECK ((country ~ '^([A-Z]{2})?$'::text)),
  CONSTRAINT holidays_org_id_fkey FOREIGN KEY (org_id) REFERENCES organizations(org_id) ON DELETE CASCADE
);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON holidays FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT DELETE, INSERT, SELECT, UPDATE ON holidays TO cadenza_app;
GRANT SELECT ON holidays TO cadenza_readonly;

CREATE TABLE hooks (
  org_id uuid NOT NULL,
  id uuid NOT NULL,
  sender_id uuid NOT NULL,
  token_hash bytea NOT NULL,
  secrets bytea,
  secret_count integer DEFAULT 0 NOT NULL,
  created_by text NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT hooks_pkey PRIMARY KEY (org_id, id),
  CONSTRAINT hooks_org_id_sender_id_fkey FOREIGN KEY (org_id, sender_id) REFERENCES senders(org_id, id)
);
CREATE INDEX hooks_sender ON public.hooks USING btree (org_id, sender_id);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON hooks FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT DELETE, INSERT, SELECT, UPDATE ON hooks TO cadenza_app;
GRANT SELECT ON hooks TO cadenza_readonly;

CREATE TABLE idempotency_keys (
  org_id uuid NOT NULL,
  key text NOT NULL,
  request_hash bytea NOT NULL,
  created_at timestamp with time zone NOT NULL,
  claim uuid NOT NULL,
  alive_at timestamp with time zone NOT NULL,
  status integer,
  headers jsonb,
  body bytea,
  CONSTRAINT idempotency_keys_pkey PRIMARY KEY (org_id, key),
  CONSTRAINT idempotency_keys_key_check CHECK (((length(key) >= 1) AND (length(key) <= 255))),
  CONSTRAINT idempotency_keys_org_id_fkey FOREIGN KEY (org_id) REFERENCES organizations(org_id) ON DELETE CASCADE
);
CREATE INDEX idempotency_keys_age ON public.idempotency_keys USING btree (org_id, created_at);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON idempotency_keys FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT DELETE, INSERT, SELECT, UPDATE ON idempotency_keys TO cadenza_app;
GRANT SELECT ON idempotency_keys TO cadenza_readonly;

CREATE TABLE import_chunks (
  org_id uuid NOT NULL,
  import_id uuid NOT NULL,
  n integer NOT NULL,
  bytes bytea NOT NULL,
  CONSTRAINT import_chunks_pkey PRIMARY KEY (org_id, import_id, n),
  CONSTRAINT import_chunks_org_id_import_id_fkey FOREIGN KEY (org_id, import_id) REFERENCES imports(org_id, id) ON DELETE CASCADE
);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON import_chunks FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT DELETE, INSERT, SELECT ON import_chunks TO cadenza_app;
GRANT SELECT ON import_chunks TO cadenza_readonly;

CREATE TABLE import_errors (
  org_id uuid NOT NULL,
  import_id uuid NOT NULL,
  row_number bigint NOT NULL,
  n integer DEFAULT 0 NOT NULL,
  severity text NOT NULL,
  field text,
  code text NOT NULL,
  message text NOT NULL,
  raw text NOT NULL,
  CONSTRAINT import_errors_pkey PRIMARY KEY (org_id, import_id, row_number, n),
  CONSTRAINT import_errors_severity_check CHECK ((severity = ANY (ARRAY['refused'::text, 'warning'::text, 'duplicate'::text]))),
  CONSTRAINT import_errors_org_id_import_id_fkey FOREIGN KEY (org_id, import_id) REFERENCES imports(org_id, id) ON DELETE CASCADE
);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON import_errors FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT DELETE, INSERT, SELECT ON import_errors TO cadenza_app;
GRANT SELECT ON import_errors TO cadenza_readonly;

CREATE TABLE imports (
  org_id uuid NOT NULL,
  id uuid NOT NULL,
  status text NOT NULL,
  filename text NOT NULL,
  bytes bigint DEFAULT 0 NOT NULL,
  encoding text,
  delimiter text,
  header text[],
  mapping jsonb,
  identity text DEFAULT 'email'::text NOT NULL,
  existing text DEFAULT 'skip'::text NOT NULL,
  tags text[] DEFAULT '{}'::text[] NOT NULL,
  default_country text,
  next_byte bigint DEFAULT 0 NOT NULL,
  next_row bigint DEFAULT 0 NOT NULL,
  counts jsonb DEFAULT '{}'::jsonb NOT NULL,
  error text,
  created_by text NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  started_at timestamp with time zone,
  ended_at timestamp with time zone,
  CONSTRAINT imports_pkey PRIMARY KEY (org_id, id),
  CONSTRAINT imports_existing_check CHECK ((existing = ANY (ARRAY['skip'::text, 'update'::text, 'fill_blanks'::text]))),
  CONSTRAINT imports_identity_check CHECK ((identity = ANY (ARRAY['email'::text, 'phone'::text, 'external_id'::text]))),
  CONSTRAINT imports_status_check CHECK ((status = ANY (ARRAY['uploading'::text, 'ready'::text, 'running'::text, 'completed'::text, 'failed'::text, 'cancelled'::text]))),
  CONSTRAINT imports_org_id_fkey FOREIGN KEY (org_id) REFERENCES organizations(org_id) ON DELETE CASCADE
);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON imports FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT DELETE, INSERT, SELECT, UPDATE ON imports TO cadenza_app;
GRANT SELECT ON imports TO cadenza_readonly;

CREATE TABLE inbound_calls (
  org_id uuid NOT NULL,
  id uuid NOT NULL,
  hook_id uuid NOT NULL,
  query text NOT NULL,
  headers jsonb NOT NULL,
  body bytea NOT NULL,
  received_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT inbound_calls_pkey PRIMARY KEY (org_id, id)
);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON inbound_calls FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT INSERT, SELECT ON inbound_calls TO cadenza_app;
GRANT SELECT ON inbound_calls TO cadenza_readonly;

CREATE TABLE inbound_events (
  org_id uuid NOT NULL,
  sender_id uuid NOT NULL,
  event_id text NOT NULL,
  call_id uuid NOT NULL,
  hook_id uuid NOT NULL,
  fact jsonb NOT NULL,
  result text,
  received_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT inbound_events_pkey PRIMARY KEY (org_id, sender_id, event_id),
  CONSTRAINT inbound_events_result CHECK ((result = ANY (ARRAY['recorded'::text, 'suppressed'::text, 'unmatched'::text, 'ignored'::text]))),
  CONSTRAINT inbound_events_org_id_call_id_fkey FOREIGN KEY (org_id, call_id) REFERENCES inbound_calls(org_id, id) ON DELETE CASCADE
);
CREATE INDEX inbound_events_waiting ON public.inbound_events USING btree (org_id, received_at) WHERE (result IS NULL);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON inbound_events FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT INSERT, SELECT, UPDATE ON inbound_events TO cadenza_app;
GRANT SELECT ON inbound_events TO cadenza_readonly;

CREATE TABLE installation_secrets (
  check_value text NOT NULL,
  since timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT installation_secrets_pkey PRIMARY KEY (check_value)
);
-- row-level security: ENABLE, FORCE
CREATE POLICY installation ON installation_secrets FOR ALL TO public USING true WITH CHECK true;
GRANT INSERT, SELECT ON installation_secrets TO cadenza_app;

CREATE TABLE job_workers (
  id text NOT NULL,
  process text NOT NULL,
  heartbeat_at timestamp with time zone NOT NULL,
  CONSTRAINT job_workers_pkey PRIMARY KEY (id)
);
-- row-level security: ENABLE, FORCE
CREATE POLICY processes ON job_workers FOR ALL TO cadenza_app USING true WITH CHECK true;
GRANT DELETE, INSERT, SELECT, UPDATE ON job_workers TO cadenza_app;

CREATE TABLE lanes (
  org_id uuid NOT NULL,
  shard smallint DEFAULT 0 NOT NULL,
  locked_by text,
  token uuid,
  lease_until timestamp with time zone,
  taken_at timestamp with time zone DEFAULT now() NOT NULL,
  sleep_until timestamp with time zone,
  expiries integer DEFAULT 0 NOT NULL,
  suspect uuid,
  CONSTRAINT lanes_pkey PRIMARY KEY (org_id, shard),
  CONSTRAINT lanes_org_id_fkey FOREIGN KEY (org_id) REFERENCES organizations(org_id) ON DELETE CASCADE
) WITH (fillfactor=50);
CREATE INDEX lanes_taken ON public.lanes USING btree (taken_at);
-- row-level security: ENABLE, FORCE
CREATE POLICY picker ON lanes FOR ALL TO cadenza_picker USING true WITH CHECK true;
CREATE POLICY tenant ON lanes FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT INSERT, SELECT, UPDATE ON lanes TO cadenza_app;
GRANT SELECT, UPDATE ON lanes TO cadenza_picker;
GRANT SELECT ON lanes TO cadenza_readonly;

CREATE TABLE member_addresses (
  org_id uuid NOT NULL,
  id uuid NOT NULL,
  member_id uuid NOT NULL,
  kind text NOT NULL,
  address text NOT NULL,
  code_hash bytea,
  code_expires_at timestamp with time zone,
  tries integer DEFAULT 0 NOT NULL,
  verified_at timestamp with time zone,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT member_addresses_pkey PRIMARY KEY (org_id, id),
  CONSTRAINT member_addresses_org_id_member_id_kind_address_key UNIQUE (org_id, member_id, kind, address),
  CONSTRAINT member_addresses_address_check CHECK ((address <> ''::text)),
  CONSTRAINT member_addresses_code CHECK (((code_hash IS NULL) = (code_expires_at IS NULL))),
  CONSTRAINT member_addresses_kind_check CHECK ((kind = ANY (ARRAY['email'::text, 'phone'::text]))),
  CONSTRAINT member_addresses_org_id_member_id_fkey FOREIGN KEY (org_id, member_id) REFERENCES members(org_id, id) ON DELETE CASCADE
);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON member_addresses FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT DELETE, INSERT, SELECT, UPDATE ON member_addresses TO cadenza_app;
GRANT SELECT ON member_addresses TO cadenza_readonly;

CREATE TABLE member_mail (
  org_id uuid NOT NULL,
  id uuid NOT NULL,
  member_id uuid NOT NULL,
  sender_id uuid NOT NULL,
  purpose text NOT NULL,
  day text NOT NULL,
  hour text,
  outcome text DEFAULT 'sending'::text NOT NULL,
  reason text,
  provider_id text,
  begun_at timestamp with time zone NOT NULL,
  ended_at timestamp with time zone,
  CONSTRAINT member_mail_pkey PRIMARY KEY (org_id, id),
  CONSTRAINT member_mail_ended CHECK (((ended_at IS NULL) = (outcome = 'sending'::text))),
  CONSTRAINT member_mail_outcome_check CHECK ((outcome = ANY (ARRAY['sending'::text, 'sent'::text, 'failed'::text, 'unknown'::text]))),
  CONSTRAINT member_mail_purpose_check CHECK ((purpose = ANY (ARRAY['code'::text, 'test'::text]))),
  CONSTRAINT member_mail_org_id_member_id_fkey FOREIGN KEY (org_id, member_id) REFERENCES members(org_id, id) ON DELETE CASCADE,
  CONSTRAINT member_mail_org_id_sender_id_fkey FOREIGN KEY (org_id, sender_id) REFERENCES senders(org_id, id) ON DELETE CASCADE
);
CREATE INDEX member_mail_begun ON public.member_mail USING btree (org_id, begun_at);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON member_mail FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT DELETE, INSERT, SELECT, UPDATE ON member_mail TO cadenza_app;
GRANT SELECT ON member_mail TO cadenza_readonly;

CREATE TABLE members (
  org_id uuid NOT NULL,
  id uuid NOT NULL,
  email text NOT NULL,
  name text NOT NULL,
  role text NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  disabled_at timestamp with time zone,
  CONSTRAINT members_pkey PRIMARY KEY (org_id, id),
  CONSTRAINT members_org_id_email_key UNIQUE (org_id, email),
  CONSTRAINT members_role_check CHECK ((role = ANY (ARRAY['owner'::text, 'admin'::text, 'member'::text, 'viewer'::text]))),
  CONSTRAINT members_org_id_fkey FOREIGN KEY (org_id) REFERENCES organizations(org_id) ON DELETE CASCADE
);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON members FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT DELETE, INSERT, SELECT, UPDATE ON members TO cadenza_app;
GRANT SELECT ON members TO cadenza_readonly;

CREATE TABLE organizations (
  org_id uuid NOT NULL,
  name text NOT NULL,
  time_zone text DEFAULT 'UTC'::text NOT NULL,
  status text DEFAULT 'active'::text NOT NULL,
  sending_paused boolean DEFAULT false NOT NULL,
  epoch integer DEFAULT 0 NOT NULL,
  policy_version integer DEFAULT 1 NOT NULL,
  contact_daily_cap integer,
  contact_weekly_cap integer,
  consent_required text[] DEFAULT '{}'::text[] NOT NULL,
  postal_address text,
  unknown_policy text DEFAULT 'review'::text NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  updated_at timestamp with time zone DEFAULT now() NOT NULL,
  quiet_hours jsonb DEFAULT '{"to": "08:00", "from": "21:00", "channels": ["sms", "whatsapp", "whatsapp_lite", "call"]}'::jsonb,
  channel_caps jsonb,
  CONSTRAINT organizations_pkey PRIMARY KEY (org_id),
  CONSTRAINT organizations_contact_daily_cap_check CHECK ((contact_daily_cap > 0)),
  CONSTRAINT organizations_contact_weekly_cap_check CHECK ((contact_weekly_cap > 0)),
  CONSTRAINT organizations_name_check CHECK ((name <> ''::text)),
  CONSTRAINT organizations_status_check CHECK ((status = ANY (ARRAY['active'::text, 'closing'::text, 'closed'::text]))),
  CONSTRAINT organizations_unknown_policy_check CHECK ((unknown_policy = ANY (ARRAY['review'::text, 'assume_sent'::text])))
);
-- row-level security: ENABLE, FORCE
CREATE POLICY picker ON organizations FOR SELECT TO cadenza_picker USING true;
CREATE POLICY tenant ON organizations FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT INSERT, SELECT, UPDATE ON organizations TO cadenza_app;
GRANT SELECT (org_id, status, sending_paused) ON organizations TO cadenza_picker;
GRANT SELECT ON organizations TO cadenza_readonly;

CREATE TABLE receipts (
  org_id uuid NOT NULL,
  id uuid NOT NULL,
  subject_type text NOT NULL,
  subject_id text NOT NULL,
  status text NOT NULL,
  epoch integer NOT NULL,
  effective_at timestamp with time zone NOT NULL,
  not_started integer NOT NULL,
  in_flight uuid[] NOT NULL,
  actor text NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT receipts_pkey PRIMARY KEY (org_id, id),
  CONSTRAINT receipts_subject_type_check CHECK ((subject_type = ANY (ARRAY['enrollment'::text, 'sequence'::text, 'sender'::text, 'channel'::text, 'organization'::text, 'contact'::text])))
);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON receipts FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT INSERT, SELECT ON receipts TO cadenza_app;
GRANT SELECT ON receipts TO cadenza_readonly;

CREATE TABLE records (
  org_id uuid NOT NULL,
  id uuid NOT NULL,
  kind text NOT NULL,
  external_id text NOT NULL,
  contact_id uuid NOT NULL,
  version integer DEFAULT 1 NOT NULL,
  title text,
  status text NOT NULL,
  starts_at timestamp with time zone,
  ends_at timestamp with time zone,
  amount numeric(18,2),
  currency text,
  properties jsonb DEFAULT '{}'::jsonb NOT NULL,
  created_by text NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  updated_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT records_pkey PRIMARY KEY (org_id, id),
  CONSTRAINT records_ends CHECK ((ends_at >= starts_at)),
  CONSTRAINT records_external_id_check CHECK ((external_id <> ''::text)),
  CONSTRAINT records_kind CHECK ((kind = ANY (ARRAY['deal'::text, 'appointment'::text, 'service_job'::text]))),
  CONSTRAINT records_status_check CHECK ((status <> ''::text)),
  CONSTRAINT records_org_id_contact_id_fkey FOREIGN KEY (org_id, contact_id) REFERENCES contacts(org_id, id)
);
CREATE INDEX records_contact ON public.records USING btree (org_id, contact_id, kind);
CREATE UNIQUE INDEX records_external ON public.records USING btree (org_id, kind, external_id);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON records FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT DELETE, INSERT, SELECT, UPDATE ON records TO cadenza_app;
GRANT SELECT ON records TO cadenza_readonly;

CREATE TABLE schema_migrations (
  name text NOT NULL,
  checksum text NOT NULL,
  kind text NOT NULL,
  applied_at timestamp with time zone NOT NULL,
  CONSTRAINT schema_migrations_pkey PRIMARY KEY (name)
);
-- row-level security: DISABLE, NO FORCE
GRANT SELECT ON schema_migrations TO cadenza_app;
GRANT SELECT ON schema_migrations TO cadenza_readonly;

CREATE TABLE security_events (
  org_id uuid NOT NULL,
  id uuid NOT NULL,
  at timestamp with time zone DEFAULT now() NOT NULL,
  kind text NOT NULL,
  actor_type text NOT NULL,
  actor_id text NOT NULL,
  ip text,
  data jsonb DEFAULT '{}'::jsonb NOT NULL,
  request_id text,
  count integer DEFAULT 1 NOT NULL,
  CONSTRAINT security_events_pkey PRIMARY KEY (org_id, id),
  CONSTRAINT security_events_count_check CHECK ((count > 0)),
  CONSTRAINT security_events_kind_check CHECK ((kind = ANY (ARRAY['unknown_id'::text, 'forbidden'::text, 'revoked_credential'::text, 'expired_credential'::text]))),
  CONSTRAINT security_events_org_id_fkey FOREIGN KEY (org_id) REFERENCES organizations(org_id) ON DELETE CASCADE
);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON security_events FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT INSERT, SELECT ON security_events TO cadenza_app;
GRANT SELECT ON security_events TO cadenza_readonly;

CREATE TABLE segments (
  org_id uuid NOT NULL,
  id uuid NOT NULL,
  name text NOT NULL,
  condition jsonb NOT NULL,
  created_by text NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  updated_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT segments_pkey PRIMARY KEY (org_id, id),
  CONSTRAINT segments_name UNIQUE (org_id, name),
  CONSTRAINT segments_name_check CHECK ((name <> ''::text)),
  CONSTRAINT segments_org_id_fkey FOREIGN KEY (org_id) REFERENCES organizations(org_id) ON DELETE CASCADE
);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON segments FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT DELETE, INSERT, SELECT, UPDATE ON segments TO cadenza_app;
GRANT SELECT ON segments TO cadenza_readonly;

CREATE TABLE sender_slots (
  org_id uuid NOT NULL,
  sender_id uuid NOT NULL,
  touch_id uuid NOT NULL,
  at timestamp with time zone NOT NULL,
  gap_ms integer NOT NULL,
  taken_at timestamp with time zone NOT NULL,
  CONSTRAINT sender_slots_pkey PRIMARY KEY (org_id, sender_id, touch_id),
  CONSTRAINT sender_slots_org_id_sender_id_fkey FOREIGN KEY (org_id, sender_id) REFERENCES senders(org_id, id) ON DELETE CASCADE
);
CREATE INDEX sender_slots_at ON public.sender_slots USING btree (org_id, sender_id, at);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON sender_slots FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT DELETE, INSERT, SELECT, UPDATE ON sender_slots TO cadenza_app;
GRANT SELECT ON sender_slots TO cadenza_readonly;

CREATE TABLE sender_usage (
  org_id uuid NOT NULL,
  sender_id uuid NOT NULL,
  period text NOT NULL,
  used integer DEFAULT 0 NOT NULL,
  assigned integer DEFAULT 0 NOT NULL,
  gap_from timestamp with time zone,
  failed integer DEFAULT 0 NOT NULL,
  bounced integer DEFAULT 0 NOT NULL,
  bounced_later integer DEFAULT 0 NOT NULL,
  to_members integer DEFAULT 0 NOT NULL,
  sends_before integer DEFAULT 0 NOT NULL,
  anew_at timestamp with time zone,
  CONSTRAINT sender_usage_pkey PRIMARY KEY (org_id, sender_id, period),
  CONSTRAINT sender_usage_to_members_check CHECK ((to_members >= 0)),
  CONSTRAINT sender_usage_used_check CHECK ((used >= 0)),
  CONSTRAINT sender_usage_org_id_sender_id_fkey FOREIGN KEY (org_id, sender_id) REFERENCES senders(org_id, id) ON DELETE CASCADE
) WITH (fillfactor=50);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON sender_usage FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT DELETE, INSERT, SELECT, UPDATE ON sender_usage TO cadenza_app;
GRANT SELECT ON sender_usage TO cadenza_readonly;

CREATE TABLE senders (
  org_id uuid NOT NULL,
  id uuid NOT NULL,
  version integer DEFAULT 1 NOT NULL,
  channel text NOT NULL,
  provider text NOT NULL,
  name text NOT NULL,
  from_name text,
  from_address text NOT NULL,
  reply_to text,
  config jsonb DEFAULT '{}'::jsonb NOT NULL,
  secret bytea,
  daily_limit integer,
  hourly_limit integer,
  min_gap_s integer,
  max_gap_s integer,
  time_zone text,
  sending_window jsonb,
  ramp jsonb,
  status text DEFAULT 'active'::text NOT NULL,
  status_reason text,
  epoch integer DEFAULT 0 NOT NULL,
  verified_at timestamp with time zone,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  updated_at timestamp with time zone DEFAULT now() NOT NULL,
  breaker jsonb,
  templates_synced_at timestamp with time zone,
  unreachable_since timestamp with time zone,
  unreachable_reason text,
  price jsonb,
  templates_due_at timestamp with time zone DEFAULT now() NOT NULL,
  templates_error text,
  templates_error_since timestamp with time zone,
  CONSTRAINT senders_pkey PRIMARY KEY (org_id, id),
  CONSTRAINT senders_channel CHECK ((channel = ANY (ARRAY['email'::text, 'sms'::text, 'whatsapp'::text, 'whatsapp_lite'::text, 'telegram'::text, 'webhook'::text]))),
  CONSTRAINT senders_check CHECK ((max_gap_s >= min_gap_s)),
  CONSTRAINT senders_daily_limit_check CHECK ((daily_limit > 0)),
  CONSTRAINT senders_hourly_limit_check CHECK ((hourly_limit > 0)),
  CONSTRAINT senders_min_gap_s_check CHECK ((min_gap_s >= 0)),
  CONSTRAINT senders_name_check CHECK ((name <> ''::text)),
  CONSTRAINT senders_status_check CHECK ((status = ANY (ARRAY['active'::text, 'paused'::text, 'archived'::text]))),
  CONSTRAINT senders_templates_error CHECK (((templates_error IS NULL) = (templates_error_since IS NULL))),
  CONSTRAINT senders_org_id_fkey FOREIGN KEY (org_id) REFERENCES organizations(org_id) ON DELETE CASCADE
);
CREATE INDEX senders_templates_due ON public.senders USING btree (templates_due_at) WHERE ((channel = 'whatsapp'::text) AND (status = 'active'::text));
-- row-level security: ENABLE, FORCE
CREATE POLICY picker ON senders FOR ALL TO cadenza_picker USING true WITH CHECK true;
CREATE POLICY tenant ON senders FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT DELETE, INSERT, SELECT, UPDATE ON senders TO cadenza_app;
GRANT SELECT (org_id, id, channel, provider, status, templates_due_at), UPDATE (templates_due_at) ON senders TO cadenza_picker;
GRANT SELECT ON senders TO cadenza_readonly;

CREATE TABLE sequence_versions (
  org_id uuid NOT NULL,
  id uuid NOT NULL,
  sequence_id uuid NOT NULL,
  number integer NOT NULL,
  definition jsonb NOT NULL,
  published_by text NOT NULL,
  published_at timestamp with time zone DEFAULT now() NOT NULL,
  enroll_on jsonb GENERATED ALWAYS AS (
CASE
    WHEN (jsonb_array_length((definition -> 'enroll_on'::text)) > 0) THEN (definition -> 'enroll_on'::text)
    ELSE NULL::jsonb
END) STORED,
  CONSTRAINT sequence_versions_pkey PRIMARY KEY (org_id, id),
  CONSTRAINT sequence_versions_org_id_sequence_id_number_key UNIQUE (org_id, sequence_id, number),
  CONSTRAINT sequence_versions_org_id_sequence_id_fkey FOREIGN KEY (org_id, sequence_id) REFERENCES sequences(org_id, id) ON DELETE CASCADE
);
CREATE INDEX sequence_versions_enroll_on ON public.sequence_versions USING btree (org_id, id) WHERE (enroll_on IS NOT NULL);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON sequence_versions FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT DELETE, INSERT, SELECT ON sequence_versions TO cadenza_app;
GRANT SELECT ON sequence_versions TO cadenza_readonly;

CREATE TABLE sequences (
  org_id uuid NOT NULL,
  id uuid NOT NULL,
  name text NOT NULL,
  status text DEFAULT 'draft'::text NOT NULL,
  epoch integer DEFAULT 0 NOT NULL,
  draft jsonb NOT NULL,
  published_version_id uuid,
  created_by text NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  updated_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT sequences_pkey PRIMARY KEY (org_id, id),
  CONSTRAINT sequences_name_check CHECK ((name <> ''::text)),
  CONSTRAINT sequences_status_check CHECK ((status = ANY (ARRAY['draft'::text, 'active'::text, 'paused'::text, 'archived'::text]))),
  CONSTRAINT sequences_org_id_fkey FOREIGN KEY (org_id) REFERENCES organizations(org_id) ON DELETE CASCADE
);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON sequences FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT DELETE, INSERT, SELECT, UPDATE ON sequences TO cadenza_app;
GRANT SELECT ON sequences TO cadenza_readonly;

CREATE TABLE suppressions (
  org_id uuid NOT NULL,
  kind text NOT NULL,
  address text NOT NULL,
  reason text NOT NULL,
  source text NOT NULL,
  contact_id uuid,
  touch_id uuid,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  CONSTRAINT suppressions_pkey PRIMARY KEY (org_id, kind, address),
  CONSTRAINT suppressions_kind_check CHECK ((kind = ANY (ARRAY['email'::text, 'phone'::text, 'whatsapp'::text, 'telegram'::text]))),
  CONSTRAINT suppressions_reason_check CHECK ((reason = ANY (ARRAY['unsubscribe'::text, 'hard_bounce'::text, 'complaint'::text, 'do_not_call'::text, 'manual'::text]))),
  CONSTRAINT suppressions_org_id_fkey FOREIGN KEY (org_id) REFERENCES organizations(org_id) ON DELETE CASCADE
);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON suppressions FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT DELETE, INSERT, SELECT, UPDATE ON suppressions TO cadenza_app;
GRANT SELECT ON suppressions TO cadenza_readonly;

CREATE TABLE touch_variants (
  org_id uuid NOT NULL,
  step_id uuid NOT NULL,
  touch_id uuid NOT NULL,
  contact_id uuid NOT NULL,
  variant text NOT NULL,
  CONSTRAINT touch_variants_pkey PRIMARY KEY (org_id, step_id, touch_id)
);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON touch_variants FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT INSERT, SELECT ON touch_variants TO cadenza_app;
GRANT SELECT ON touch_variants TO cadenza_readonly;

CREATE TABLE touches (
  org_id uuid NOT NULL,
  id uuid NOT NULL,
  source_type text DEFAULT 'enrollment'::text NOT NULL,
  source_id uuid NOT NULL,
  sequence_id uuid NOT NULL,
  version_id uuid NOT NULL,
  step_id uuid NOT NULL,
  step_no integer NOT NULL,
  generation integer NOT NULL,
  n integer NOT NULL,
  contact_id uuid NOT NULL,
  sender_id uuid,
  channel text NOT NULL,
  priority smallint DEFAULT 2 NOT NULL,
  state text DEFAULT 'planned'::text NOT NULL,
  live boolean DEFAULT true NOT NULL,
  wake_at timestamp with time zone,
  not_before timestamp with time zone NOT NULL,
  not_after timestamp with time zone,
  held_by text,
  attempt integer DEFAULT 0 NOT NULL,
  key_n integer DEFAULT 1 NOT NULL,
  token uuid,
  looks smallint DEFAULT 0 NOT NULL,
  needs_review boolean DEFAULT false NOT NULL,
  reason text,
  provider_id text,
  hash uuid,
  detail text,
  planned_by text NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  gated_at timestamp with time zone,
  settled_at timestamp with time zone,
  mode text DEFAULT 'automatic'::text NOT NULL,
  CONSTRAINT touches_pkey PRIMARY KEY (org_id, id),
  CONSTRAINT touches_channel CHECK ((channel = ANY (ARRAY['email'::text, 'sms'::text, 'whatsapp'::text, 'whatsapp_lite'::text, 'telegram'::text, 'webhook'::text, 'call'::text, 'linkedin'::text, 'task'::text, 'wait'::text]))),
  CONSTRAINT touches_held_by_check CHECK ((held_by = ANY (ARRAY['sequence'::text, 'sender'::text, 'channel'::text]))),
  CONSTRAINT touches_live CHECK ((live = (state = ANY (ARRAY['planned'::text, 'sending'::text, 'unknown'::text])))),
  CONSTRAINT touches_mode CHECK ((mode = ANY (ARRAY['automatic'::text, 'human'::text]))),
  CONSTRAINT touches_sender CHECK (
CASE
    WHEN (channel = ANY (ARRAY['call'::text, 'linkedin'::text, 'task'::text])) THEN ((mode = 'human'::text) AND (sender_id IS NULL))
    ELSE ((sender_id IS NULL) = (channel = 'wait'::text))
END),
  CONSTRAINT touches_settled CHECK (((settled_at IS NULL) = live)),
  CONSTRAINT touches_source_type_check CHECK ((source_type = 'enrollment'::text)),
  CONSTRAINT touches_state CHECK ((state = ANY (ARRAY['planned'::text, 'sending'::text, 'sent'::text, 'failed'::text, 'unknown'::text, 'cancelled'::text, 'skipped'::text]))),
  CONSTRAINT touches_wait CHECK (((channel <> 'wait'::text) OR ((mode = 'automatic'::text) AND (state = ANY (ARRAY['planned'::text, 'skipped'::text, 'cancelled'::text]))))),
  CONSTRAINT touches_waits CHECK (((mode = 'automatic'::text) OR (state <> 'sending'::text) OR (wake_at IS NULL)))
) WITH (fillfactor=50);
CREATE INDEX touches_due ON public.touches USING btree (org_id, priority, wake_at) WHERE (wake_at IS NOT NULL);
CREATE INDEX touches_held ON public.touches USING btree (org_id, held_by, id) WHERE (held_by IS NOT NULL);
CREATE INDEX touches_human ON public.touches USING btree (org_id, not_before, id) WHERE ((mode = 'human'::text) AND live);
CREATE UNIQUE INDEX touches_live ON public.touches USING btree (org_id, contact_id, source_id) WHERE live;
CREATE INDEX touches_review ON public.touches USING btree (org_id, id) WHERE needs_review;
CREATE INDEX touches_wait ON public.touches USING btree (org_id, contact_id) WHERE ((channel = 'wait'::text) AND live);
-- row-level security: ENABLE, FORCE
CREATE POLICY picker ON touches FOR SELECT TO cadenza_picker USING true;
CREATE POLICY tenant ON touches FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT INSERT, SELECT, UPDATE ON touches TO cadenza_app;
GRANT SELECT (org_id, priority, wake_at) ON touches TO cadenza_picker;
GRANT SELECT ON touches TO cadenza_readonly;

CREATE TABLE variant_decisions (
  org_id uuid NOT NULL,
  step_id uuid NOT NULL,
  n integer NOT NULL,
  sequence_id uuid NOT NULL,
  version_id uuid NOT NULL,
  variant text,
  rule_decides boolean NOT NULL,
  by_rule boolean NOT NULL,
  rule jsonb,
  figures jsonb NOT NULL,
  reason text,
  decided_by text NOT NULL,
  decided_at timestamp with time zone NOT NULL,
  CONSTRAINT variant_decisions_pkey PRIMARY KEY (org_id, step_id, n),
  CONSTRAINT variant_decisions_n_check CHECK ((n > 0)),
  CONSTRAINT variant_decisions_open CHECK (((variant IS NULL) OR (NOT rule_decides))),
  CONSTRAINT variant_decisions_rule CHECK (((NOT by_rule) OR ((variant IS NOT NULL) AND (rule IS NOT NULL)))),
  CONSTRAINT variant_decisions_org_id_sequence_id_fkey FOREIGN KEY (org_id, sequence_id) REFERENCES sequences(org_id, id) ON DELETE CASCADE
);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON variant_decisions FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT INSERT, SELECT ON variant_decisions TO cadenza_app;
GRANT SELECT ON variant_decisions TO cadenza_readonly;

CREATE TABLE version_moves (
  org_id uuid NOT NULL,
  id uuid NOT NULL,
  sequence_id uuid NOT NULL,
  from_version_id uuid,
  to_version_id uuid NOT NULL,
  status text NOT NULL,
  enrollment_ids uuid[],
  cursor uuid,
  total integer NOT NULL,
  moved integer DEFAULT 0 NOT NULL,
  completed integer DEFAULT 0 NOT NULL,
  skipped integer DEFAULT 0 NOT NULL,
  refused integer DEFAULT 0 NOT NULL,
  error text,
  created_by text NOT NULL,
  created_at timestamp with time zone DEFAULT now() NOT NULL,
  started_at timestamp with time zone,
  ended_at timestamp with time zone,
  CONSTRAINT version_moves_pkey PRIMARY KEY (org_id, id),
  CONSTRAINT version_moves_status_check CHECK ((status = ANY (ARRAY['queued'::text, 'running'::text, 'completed'::text, 'cancelled'::text, 'failed'::text]))),
  CONSTRAINT version_moves_org_id_sequence_id_fkey FOREIGN KEY (org_id, sequence_id) REFERENCES sequences(org_id, id) ON DELETE CASCADE
);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON version_moves FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT INSERT, SELECT, UPDATE ON version_moves TO cadenza_app;
GRANT SELECT ON version_moves TO cadenza_readonly;

CREATE TABLE whatsapp_templates (
  org_id uuid NOT NULL,
  sender_id uuid NOT NULL,
  name text NOT NULL,
  language text NOT NULL,
  status text NOT NULL,
  category text,
  parameter_format text NOT NULL,
  components jsonb NOT NULL,
  CONSTRAINT whatsapp_templates_pkey PRIMARY KEY (org_id, sender_id, name, language),
  CONSTRAINT whatsapp_templates_parameter_format_check CHECK ((parameter_format = ANY (ARRAY['positional'::text, 'named'::text]))),
  CONSTRAINT whatsapp_templates_org_id_sender_id_fkey FOREIGN KEY (org_id, sender_id) REFERENCES senders(org_id, id)
);
-- row-level security: ENABLE, FORCE
CREATE POLICY tenant ON whatsapp_templates FOR ALL TO public USING (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid) WITH CHECK (org_id = (NULLIF(current_setting('app.org'::text, true), ''::text))::uuid);
GRANT DELETE, INSERT, SELECT, UPDATE ON whatsapp_templates TO cadenza_app;
GRANT SELECT ON whatsapp_templates TO cadenza_readonly;

-- FUNCTION address_kind(p_channel text) RETURNS text
--   sql · IMMUTABLE · EXECUTE: cadenza_app

-- FUNCTION audit_write(p_org uuid, p_entry jsonb, p_data jsonb) RETURNS void
--   sql · VOLATILE · EXECUTE: cadenza_app

-- FUNCTION authenticate_api_key(p_hash bytea) RETURNS TABLE(org_id uuid, id uuid, name text, role text, scopes text[], member_id uuid, state text)
--   plpgsql · VOLATILE · SET search_path=public, pg_temp · EXECUTE: cadenza_app

-- FUNCTION bulk_enroll_chunk(p_org uuid, p_job uuid, p_n integer, p_others jsonb, p_skipped integer, p_refused integer, p_sequence uuid, p_version uuid, p_step uuid, p_channel text, p_mode text, p_actor text, p_senders uuid[], p_from timestamp with time zone[], p_until timestamp with time zone[], p_days date[], p_kept text[], p_group text, p_contacts uuid[], p_enrollments uuid[], p_touches uuid[], p_sender_nos integer[], p_old uuid[], p_old_generations integer[], p_old_touches uuid[], p_old_sender_nos integer[], p_restartable text[], p_assignees uuid[]) RETURNS boolean
--   plpgsql · VOLATILE · EXECUTE: cadenza_app

-- FUNCTION consent_channel(p_channel text) RETURNS text
--   sql · IMMUTABLE · EXECUTE: cadenza_app

-- FUNCTION contact_address(p_channel text, p_email text, p_phone text, p_whatsapp text, p_telegram text, p_linkedin text) RETURNS text
--   sql · IMMUTABLE · EXECUTE: cadenza_app

-- FUNCTION current_org() RETURNS uuid
--   sql · STABLE · EXECUTE: cadenza_app

-- FUNCTION enroll_batch(p_org uuid, p_sequence uuid, p_version uuid, p_step uuid, p_channel text, p_mode text, p_job uuid, p_actor text, p_senders uuid[], p_from timestamp with time zone[], p_until timestamp with time zone[], p_days date[], p_kept text[], p_group text, p_contacts uuid[], p_enrollments uuid[], p_touches uuid[], p_sender_nos integer[], p_old uuid[], p_old_generations integer[], p_old_touches uuid[], p_old_sender_nos integer[], p_restartable text[], p_reason text, p_audit jsonb, p_now timestamp with time zone, p_assignees uuid[]) RETURNS TABLE(contact_id uuid, result text, reason text, enrollment_id uuid)
--   plpgsql · VOLATILE · EXECUTE: cadenza_app

-- FUNCTION enroll_insert(p_org uuid, p_sequence uuid, p_version uuid, p_step uuid, p_channel text, p_mode text, p_job uuid, p_actor text, p_senders uuid[], p_from timestamp with time zone[], p_until timestamp with time zone[], p_days date[], p_kept text[], p_group text, p_contacts uuid[], p_enrollments uuid[], p_touches uuid[], p_sender_nos integer[], p_now timestamp with time zone, p_assignees uuid[]) RETURNS uuid[]
--   plpgsql · VOLATILE · EXECUTE: cadenza_app

-- FUNCTION enrollment_assignee(p_assignees uuid[], p_enrollment uuid) RETURNS uuid
--   sql · IMMUTABLE · EXECUTE: cadenza_app

-- FUNCTION enrollment_cancel(p_org uuid, p_id uuid, p_epoch integer, p_reason text, p_receipt uuid, p_status text, p_actor text, p_effective_at timestamp with time zone, p_now timestamp with time zone) RETURNS TABLE(not_started integer, in_flight uuid[])
--   plpgsql · VOLATILE · EXECUTE: cadenza_app

-- FUNCTION enrollment_flag(p_org uuid, p_id uuid, p_from text[], p_to text, p_event text, p_reason text, p_actor text, p_audit jsonb, p_now timestamp with time zone, p_goal jsonb) RETURNS TABLE(contact_id uuid, epoch integer, effective_at timestamp with time zone, was text)
--   plpgsql · VOLATILE · EXECUTE: cadenza_app

-- FUNCTION enrollment_move(p_org uuid, p_id uuid, p_from text, p_touch uuid, p_touch_state text, p_cancel_as text, p_event text, p_reason text, p_actor text, p_next_id uuid, p_next_step uuid, p_next_no integer, p_next_n integer, p_next_channel text, p_next_mode text, p_next_sender uuid, p_next_from timestamp with time zone, p_next_until timestamp with time zone, p_ends text, p_receipt uuid, p_audit jsonb, p_now timestamp with time zone, p_version uuid) RETURNS text
--   plpgsql · VOLATILE · EXECUTE: cadenza_app

-- FUNCTION enrollment_rival(p_org uuid, p_sequence uuid, p_group text, p_contact uuid) RETURNS TABLE(reason text, id uuid)
--   sql · STABLE · EXECUTE: cadenza_app

-- FUNCTION enrollments_restart(p_org uuid, p_version uuid, p_step uuid, p_channel text, p_mode text, p_job uuid, p_actor text, p_senders uuid[], p_from timestamp with time zone[], p_until timestamp with time zone[], p_days date[], p_kept text[], p_group text, p_old uuid[], p_generations integer[], p_touches uuid[], p_sender_nos integer[], p_restartable text[], p_reason text, p_now timestamp with time zone, p_assignees uuid[]) RETURNS TABLE(contact_id uuid, result text, reason text, enrollment_id uuid)
--   plpgsql · VOLATILE · EXECUTE: cadenza_app

-- FUNCTION enrollments_skip_channel(p_org uuid, p_channel text, p_ids uuid[], p_skips jsonb, p_strict boolean, p_actor text, p_now timestamp with time zone) RETURNS integer
--   plpgsql · VOLATILE · EXECUTE: cadenza_app

-- FUNCTION enrollments_to_version(p_org uuid, p_version uuid, p_actor text, p_ids uuid[], p_statuses text[], p_versions uuid[], p_touches uuid[], p_states text[], p_steps uuid[], p_step_nos integer[], p_kept text[], p_had text[], p_next_ids uuid[], p_next_ns integer[], p_next_channels text[], p_next_modes text[], p_next_senders uuid[], p_next_from timestamp with time zone[], p_next_until timestamp with time zone[], p_ends text[], p_audit jsonb, p_now timestamp with time zone) RETURNS TABLE(enrollment_id uuid, ended boolean)
--   plpgsql · VOLATILE · EXECUTE: cadenza_app

-- FUNCTION enrollments_written(p_org uuid) RETURNS void
--   plpgsql · VOLATILE · SET lock_timeout=2s · EXECUTE: cadenza_app

-- FUNCTION events_partitions(p_months integer, p_now timestamp with time zone) RETURNS integer
--   plpgsql · VOLATILE · EXECUTE: cadenza_app

-- FUNCTION first_touch_id(p_source uuid) RETURNS uuid
--   sql · IMMUTABLE · EXECUTE: cadenza_app

-- FUNCTION gate(p_org uuid, p_worker text, p_token uuid, p_lease_ms integer, p_budget_ms integer, p_policy_version integer, p_touches uuid[], p_contact_versions integer[], p_sender_versions integer[], p_hashes uuid[], p_contents json, p_sequences uuid[], p_senders uuid[], p_days text[], p_hours text[], p_from timestamp with time zone[], p_until timestamp with time zone[], p_contact_day date, p_contact_from timestamp with time zone, p_contact_until timestamp with time zone, p_resend boolean, p_now timestamp with time zone, p_gapped uuid[], p_capped_channels text[], p_variants text[]) RETURNS TABLE(at timestamp with time zone, verdicts text[], attempts integer[], key_ns integer[])
--   plpgsql · VOLATILE · SET plan_cache_mode=force_generic_plan · SET enable_seqscan=off · SET enable_hashjoin=off · SET enable_mergejoin=off · SET enable_material=off · EXECUTE: cadenza_app

-- FUNCTION gate_expire(p_org uuid, p_actor text, p_limit integer, p_now timestamp with time zone) RETURNS integer
--   plpgsql · VOLATILE · EXECUTE: cadenza_app

-- FUNCTION hold_flag(p_org uuid, p_class text, p_id text, p_paused boolean, p_reason text, p_audit jsonb, p_now timestamp with time zone) RETURNS TABLE(epoch integer, effective_at timestamp with time zone)
--   plpgsql · VOLATILE · EXECUTE: cadenza_app

-- FUNCTION hold_receipt(p_org uuid, p_class text, p_id text, p_receipt uuid, p_status text, p_epoch integer, p_effective_at timestamp with time zone, p_actor text) RETURNS TABLE(in_flight uuid[])
--   plpgsql · VOLATILE · EXECUTE: cadenza_app

-- FUNCTION hold_release(p_org uuid, p_class text, p_id text, p_epoch integer, p_limit integer, p_now timestamp with time zone) RETURNS integer
--   plpgsql · VOLATILE · EXECUTE: cadenza_app

-- FUNCTION idempotency_begin(p_org uuid, p_key text, p_hash bytea, p_claim uuid, p_kept interval, p_lease interval) RETURNS TABLE(outcome text, status integer, headers jsonb, body bytea)
--   plpgsql · VOLATILE · SET search_path=public, pg_temp · EXECUTE: cadenza_app

-- FUNCTION lane_keep(p_org uuid, p_shard integer, p_token uuid, p_lease_ms integer, p_progress boolean, p_suspect uuid, p_now timestamp with time zone) RETURNS boolean
--   plpgsql · VOLATILE · EXECUTE: cadenza_app

-- FUNCTION lane_leave(p_org uuid, p_shard integer, p_token uuid, p_sleep_ms integer, p_now timestamp with time zone) RETURNS boolean
--   plpgsql · VOLATILE · EXECUTE: cadenza_app

-- FUNCTION lane_read(p_org uuid, p_limit integer, p_skip_senders uuid[], p_only uuid[], p_now timestamp with time zone, p_people boolean) RETURNS TABLE(id uuid, state text, source_id uuid, sequence_id uuid, version_id uuid, step_id uuid, step_no integer, generation integer, n integer, contact_id uuid, sender_id uuid, channel text, mode text, attempt integer, key_n integer, token uuid, looks smallint, needs_review boolean, contents text, first_called timestamp with time zone, enrollment_status text, is_live boolean, thread text, thread_subject text, contact_version integer, first_name text, last_name text, email text, phone text, whatsapp text, telegram text, linkedin text, company text, title text, attributes text, not_after double precision, contact_zone text, kept_senders text, variant text)
--   plpgsql · VOLATILE · SET plan_cache_mode=force_generic_plan · SET enable_seqscan=off · EXECUTE: cadenza_app

-- FUNCTION lane_soonest(p_now timestamp with time zone) RETURNS TABLE(ms double precision, org_id uuid)
--   plpgsql · VOLATILE · SECURITY DEFINER OWNED BY cadenza_picker · SET search_path=pg_catalog, public · SET enable_seqscan=off · EXECUTE: cadenza_app

-- FUNCTION lane_take(p_worker text, p_token uuid, p_lease_ms integer, p_now timestamp with time zone, p_only uuid) RETURNS TABLE(org_id uuid, shard smallint, expiries integer, suspect uuid)
--   plpgsql · VOLATILE · SECURITY DEFINER OWNED BY cadenza_picker · SET search_path=pg_catalog, public · SET plan_cache_mode=force_generic_plan · SET enable_seqscan=off · EXECUTE: cadenza_app

-- FUNCTION lane_waits(p_org uuid, p_now timestamp with time zone) RETURNS boolean
--   plpgsql · VOLATILE · SECURITY DEFINER OWNED BY cadenza_picker · SET search_path=pg_catalog, public · SET enable_seqscan=off · EXECUTE: cadenza_app

-- FUNCTION last_touch_id(p_source uuid) RETURNS uuid
--   sql · IMMUTABLE · EXECUTE: cadenza_app

-- FUNCTION ledger_health(p_org uuid, p_now timestamp with time zone) RETURNS TABLE(not_waiting integer, stuck integer, review integer, late_s double precision)
--   plpgsql · STABLE · EXECUTE: cadenza_app

-- FUNCTION live_enrollment(p_org uuid, p_sequence uuid, p_contact uuid) RETURNS uuid
--   sql · STABLE · EXECUTE: cadenza_app

-- FUNCTION lock_bucket(p_org uuid, p_id uuid) RETURNS integer
--   sql · IMMUTABLE · EXECUTE: cadenza_app

-- FUNCTION lock_exclusive(p_class integer, p_org uuid, p_id uuid) RETURNS void
--   plpgsql · VOLATILE · EXECUTE: cadenza_app

-- FUNCTION lock_key(p_org uuid) RETURNS integer
--   sql · IMMUTABLE · EXECUTE: cadenza_app

-- FUNCTION member_mail_begin(p_org uuid, p_id uuid, p_member uuid, p_purpose text, p_kind text, p_address uuid, p_code_hash bytea, p_code_life_ms integer, p_channel text, p_sender uuid, p_sender_version integer, p_day text, p_hour text, p_gapped boolean, p_from timestamp with time zone, p_until timestamp with time zone, p_budget_ms integer, p_per_hour integer, p_codes_per_hour integer, p_now timestamp with time zone) RETURNS TABLE(verdict text, address text)
--   plpgsql · VOLATILE · EXECUTE: cadenza_app

-- FUNCTION member_mail_end(p_org uuid, p_id uuid, p_outcome text, p_reason text, p_provider_id text, p_audit jsonb) RETURNS boolean
--   plpgsql · VOLATILE · EXECUTE: cadenza_app

-- FUNCTION planning_read(p_org uuid, p_senders uuid[], p_now timestamp with time zone, p_others integer) RETURNS TABLE(now double precision, has_holidays boolean, organization json, senders json)
--   plpgsql · VOLATILE · SET plan_cache_mode=force_generic_plan · SET enable_seqscan=off · EXECUTE: cadenza_app

-- FUNCTION ramp_limit(p_org uuid, p_sender uuid, p_ramp jsonb, p_day text) RETURNS integer
--   sql · STABLE · EXECUTE: cadenza_app

-- FUNCTION reconcile_note(p_org uuid, p_actor text, p_touches uuid[], p_tokens uuid[], p_wakes timestamp with time zone[], p_looks integer[], p_review boolean[], p_reasons text[], p_opens boolean[], p_untils timestamp with time zone[], p_now timestamp with time zone) RETURNS integer
--   plpgsql · VOLATILE · EXECUTE: cadenza_app

-- FUNCTION refresh_statistics() RETURNS integer
--   plpgsql · VOLATILE · SECURITY DEFINER OWNED BY the owner · SET search_path=pg_catalog, public · SET default_statistics_target=30 · EXECUTE: cadenza_app

-- FUNCTION sender_gap(p_touch uuid, p_min_s integer, p_max_s integer) RETURNS integer
--   sql · IMMUTABLE · EXECUTE: cadenza_app

-- FUNCTION sender_record_anew(p_org uuid, p_sender uuid, p_now timestamp with time zone) RETURNS void
--   plpgsql · VOLATILE · EXECUTE: cadenza_app

-- FUNCTION settle(p_org uuid, p_token uuid, p_actor text, p_touches uuid[], p_sources uuid[], p_outcomes text[], p_ats double precision[], p_reasons text[], p_provider_ids text[], p_details text[], p_wakes double precision[], p_ends text[], p_subjects text[], p_next_ids uuid[], p_next_steps uuid[], p_next_nos integer[], p_next_channels text[], p_next_modes text[], p_next_senders uuid[], p_next_from double precision[], p_next_until double precision[], p_now timestamp with time zone, p_version uuid, p_next_ns integer[]) RETURNS TABLE(count integer, late uuid[], written uuid[])
--   plpgsql · VOLATILE · SET plan_cache_mode=force_generic_plan · SET enable_seqscan=off · SET enable_hashjoin=off · SET enable_mergejoin=off · SET enable_material=off · EXECUTE: cadenza_app

-- FUNCTION slots_assign(p_org uuid, p_sender uuid, p_periods text[], p_counts integer[]) RETURNS void
--   plpgsql · VOLATILE · EXECUTE: cadenza_app

-- FUNCTION slots_take(p_org uuid, p_sender uuid, p_touches uuid[], p_ats double precision[], p_gaps integer[], p_now timestamp with time zone) RETURNS void
--   plpgsql · VOLATILE · EXECUTE: cadenza_app

-- FUNCTION suppression_verdict(p_org uuid, p_kind text, p_address text) RETURNS text
--   sql · STABLE · EXECUTE: cadenza_app

-- FUNCTION template_turns_take(p_providers text[], p_limit integer, p_now timestamp with time zone) RETURNS TABLE(org_id uuid, id uuid)
--   plpgsql · VOLATILE · SECURITY DEFINER OWNED BY cadenza_picker · SET search_path=pg_catalog, public · EXECUTE: cadenza_app

-- FUNCTION tenant_table(p_table regclass, p_privileges text) RETURNS void
--   plpgsql · VOLATILE · EXECUTE: the owner

-- FUNCTION touch_resolve(p_org uuid, p_token uuid, p_actor text, p_touch uuid, p_source uuid, p_word text, p_outcome text, p_at double precision, p_wake double precision, p_ends text, p_subject text, p_next_id uuid, p_next_step uuid, p_next_no integer, p_next_channel text, p_next_mode text, p_next_sender uuid, p_next_from double precision, p_next_until double precision, p_audit jsonb, p_now timestamp with time zone, p_version uuid, p_next_n integer) RETURNS text
--   plpgsql · VOLATILE · EXECUTE: cadenza_app

-- FUNCTION touches_cancel(p_org uuid, p_sources uuid[], p_contacts uuid[], p_reason text, p_actor text, p_now timestamp with time zone) RETURNS integer
--   plpgsql · VOLATILE · EXECUTE: cadenza_app

-- FUNCTION unsubscribe_cancel(p_org uuid, p_contact uuid, p_channel text, p_receipt uuid, p_cancelled integer, p_actor text, p_effective_at timestamp with time zone, p_now timestamp with time zone, p_source text) RETURNS TABLE(in_flight uuid[])
--   plpgsql · VOLATILE · EXECUTE: cadenza_app

-- FUNCTION unsubscribe_flag(p_org uuid, p_contact uuid, p_channel text, p_source text, p_evidence text, p_touch uuid, p_consent uuid, p_actor_type text, p_actor_id text, p_audit jsonb, p_now timestamp with time zone, p_skips jsonb, p_strict boolean) RETURNS TABLE(sources uuid[], cancelled integer, effective_at timestamp with time zone)
--   plpgsql · VOLATILE · EXECUTE: cadenza_app

-- FUNCTION variant_of(p_contact uuid, p_step uuid, p_variants jsonb) RETURNS text
--   sql · IMMUTABLE · EXECUTE: cadenza_app

-- FUNCTION version_move_chunk(p_org uuid, p_job uuid, p_seen uuid, p_cursor uuid, p_refused uuid[], p_version uuid, p_actor text, p_ids uuid[], p_statuses text[], p_versions uuid[], p_touches uuid[], p_states text[], p_steps uuid[], p_step_nos integer[], p_kept text[], p_had text[], p_next_ids uuid[], p_next_ns integer[], p_next_channels text[], p_next_modes text[], p_next_senders uuid[], p_next_from timestamp with time zone[], p_next_until timestamp with time zone[], p_ends text[], p_audit jsonb) RETURNS boolean
--   plpgsql · VOLATILE · EXECUTE: cadenza_app

-- FUNCTION wake_waits(p_org uuid, p_contacts uuid[], p_now timestamp with time zone) RETURNS integer
--   plpgsql · VOLATILE · SET plan_cache_mode=force_generic_plan · SET enable_seqscan=off · EXECUTE: cadenza_app

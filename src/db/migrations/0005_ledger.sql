-- touches: every outreach act. Lean on purpose: three indexes, and state, token and attempt in none of them, so
-- that gate and retry are heap-only updates; no foreign keys (measured: 8 % of a step). wake_at changes only when
-- a touch is planned, postponed, held or settled; `live` only when it is planned or settled.
CREATE TABLE touches (
  org_id uuid NOT NULL,
  -- derived from the plan key: source, generation, step and n (kernel/ids.ts)
  id uuid NOT NULL,
  source_type text NOT NULL DEFAULT 'enrollment' CHECK (source_type IN ('enrollment')),
  source_id uuid NOT NULL,
  -- what a Hold of the source stops: the sequence
  sequence_id uuid NOT NULL,
  version_id uuid NOT NULL,
  step_id uuid NOT NULL,
  step_no int NOT NULL,
  generation int NOT NULL,
  n int NOT NULL,
  contact_id uuid NOT NULL,
  sender_id uuid NOT NULL,
  channel text NOT NULL,
  -- 0 interactive, 1 replies and reminders, 2 sequences, 3 broadcasts
  priority smallint NOT NULL DEFAULT 2,
  state text NOT NULL DEFAULT 'planned',
  live boolean NOT NULL DEFAULT true,
  wake_at timestamptz,
  not_before timestamptz NOT NULL,
  not_after timestamptz,
  held_by text CHECK (held_by IN ('sequence', 'sender', 'channel')),
  attempt int NOT NULL DEFAULT 0,
  -- the number in the idempotency key; rises only after proof that nothing was accepted
  key_n int NOT NULL DEFAULT 1,
  -- the gate that let it go last
  token uuid,
  looks smallint NOT NULL DEFAULT 0,
  needs_review boolean NOT NULL DEFAULT false,
  reason text,
  provider_id text,
  -- what a person may read and an erasure blanks: the values composed in, the provider's words
  frozen json,
  hash text,
  detail text,
  planned_by text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  gated_at timestamptz,
  settled_at timestamptz,
  PRIMARY KEY (org_id, id),
  CONSTRAINT touches_state CHECK (state IN ('planned', 'sending', 'sent', 'failed', 'unknown', 'cancelled', 'skipped')),
  CONSTRAINT touches_live CHECK (live = (state IN ('planned', 'sending', 'unknown'))),
  CONSTRAINT touches_settled CHECK ((settled_at IS NULL) = live)
) WITH (fillfactor = 60);

CREATE INDEX touches_due ON touches (org_id, priority, wake_at) WHERE wake_at IS NOT NULL;

-- At most one waiting touch a source (I5); also finds what a contact's stop must cancel.
CREATE UNIQUE INDEX touches_live ON touches (org_id, contact_id, source_id) WHERE live;

-- What a Hold has marked, to let it go again; empty otherwise, so it costs the hot path nothing.
CREATE INDEX touches_held ON touches (org_id, held_by, id) WHERE held_by IS NOT NULL;

-- What waits for a person's word; empty otherwise, and needs_review changes for `unknown` only.
CREATE INDEX touches_review ON touches (org_id, id) WHERE needs_review;

SELECT tenant_table('touches', 'SELECT, INSERT, UPDATE');

-- gates: one row a batch that passed: who, when, under which rules, which touches. The decision receipt of each
-- touch in it, its lease, and (open > 0) the list of what is in flight.
CREATE TABLE gates (
  org_id uuid NOT NULL,
  token uuid NOT NULL,
  worker text NOT NULL,
  gated_at timestamptz NOT NULL,
  lease_until timestamptz NOT NULL,
  touches uuid[] NOT NULL,
  open int NOT NULL,
  -- {policy_version, senders: [{sender_id, day, hour}], contact_day}
  rules jsonb NOT NULL,
  PRIMARY KEY (org_id, token)
) WITH (fillfactor = 70);

CREATE INDEX gates_open ON gates (org_id, lease_until) WHERE open > 0;

SELECT tenant_table('gates', 'SELECT, INSERT, UPDATE');

-- events: the one typed stream that reports read. Ids and typed facts, no personal text, no foreign keys.
CREATE TABLE events (
  org_id uuid NOT NULL,
  at timestamptz NOT NULL,
  type text NOT NULL,
  reason text,
  -- the enrollment, or the contact where there is none
  source_id uuid NOT NULL,
  touch_id uuid,
  contact_id uuid,
  sequence_id uuid,
  step_id uuid,
  sender_id uuid,
  attempt int,
  token uuid,
  actor text,
  data jsonb,
  CONSTRAINT events_type CHECK (type IN ('enrolled', 'pause', 'resume', 'advance', 'restart', 'completed', 'exited', 'bounced', 'unsubscribed',
    'unenrolled', 'failed', 'sent', 'retry', 'not_started', 'unknown', 'cancelled', 'skipped', 'postponed', 'held', 'looked_up', 'resolved',
    'needs_review', 'unsubscribe'))
) PARTITION BY RANGE (at);

CREATE TABLE events_default PARTITION OF events DEFAULT;

CREATE INDEX events_source ON events (org_id, source_id, at);

SELECT tenant_table('events', 'SELECT, INSERT');

-- The application reads and writes through the parent only: grants on a partition would go round its policy.
ALTER TABLE events_default ENABLE ROW LEVEL SECURITY;

ALTER TABLE events_default FORCE ROW LEVEL SECURITY;

-- receipts: what a stop acknowledged.
CREATE TABLE receipts (
  org_id uuid NOT NULL,
  id uuid NOT NULL,
  subject_type text NOT NULL CHECK (subject_type IN ('enrollment', 'sequence', 'sender', 'channel', 'organization', 'contact')),
  subject_id text NOT NULL,
  status text NOT NULL,
  epoch int NOT NULL,
  effective_at timestamptz NOT NULL,
  not_started int NOT NULL,
  in_flight uuid[] NOT NULL,
  actor text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, id)
);

SELECT tenant_table('receipts', 'SELECT, INSERT');

-- lanes: who works an organization's touches now. Not a tenant table: the worker looks for work before it knows
-- an organization, and only through lane_take and lane_next.
CREATE TABLE lanes (
  org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
  shard smallint NOT NULL DEFAULT 0,
  locked_by text,
  token uuid,
  lease_until timestamptz,
  taken_at timestamptz NOT NULL DEFAULT now(),
  sleep_until timestamptz,
  -- leases that expired without progress; two in a row make the next holder go one touch at a time
  expiries int NOT NULL DEFAULT 0,
  suspect uuid,
  PRIMARY KEY (org_id, shard)
) WITH (fillfactor = 50);

CREATE INDEX lanes_taken ON lanes (taken_at);

SELECT tenant_table('lanes', 'SELECT, INSERT, UPDATE');

CREATE POLICY picker ON lanes TO cadenza_picker USING (true) WITH CHECK (true);

GRANT SELECT, UPDATE ON lanes TO cadenza_picker;

CREATE POLICY picker ON touches FOR SELECT TO cadenza_picker USING (true);

GRANT SELECT (org_id, priority, wake_at) ON touches TO cadenza_picker;

CREATE POLICY picker ON organizations FOR SELECT TO cadenza_picker USING (true);

GRANT SELECT (org_id, status, sending_paused) ON organizations TO cadenza_picker;

-- job_workers: the workers of the housekeeping queue that are alive. Not a tenant table: it holds names of processes.
-- The queue itself believes in a dead worker's lock for four hours; whoever is not in here with a fresh heartbeat
-- loses its jobs at once.
CREATE TABLE job_workers (
  id text PRIMARY KEY,
  process text NOT NULL,
  heartbeat_at timestamptz NOT NULL
);

ALTER TABLE job_workers ENABLE ROW LEVEL SECURITY;

ALTER TABLE job_workers FORCE ROW LEVEL SECURITY;

CREATE POLICY processes ON job_workers TO cadenza_app USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON job_workers TO cadenza_app;

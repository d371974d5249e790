-- senders: an account that sends. `config` holds what is not secret; `secret` is encrypted (TEN-8).
CREATE TABLE senders (
  org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
  id uuid NOT NULL,
  version int NOT NULL DEFAULT 1,
  channel text NOT NULL CHECK (channel IN ('email')),
  provider text NOT NULL,
  name text NOT NULL CHECK (name <> ''),
  from_name text,
  from_address text NOT NULL,
  reply_to text,
  config jsonb NOT NULL DEFAULT '{}',
  secret bytea,
  daily_limit int CHECK (daily_limit > 0),
  hourly_limit int CHECK (hourly_limit > 0),
  min_gap_s int CHECK (min_gap_s >= 0),
  max_gap_s int CHECK (max_gap_s >= min_gap_s),
  time_zone text,
  sending_window jsonb,
  ramp jsonb,
  status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'paused', 'archived')),
  status_reason text,
  epoch int NOT NULL DEFAULT 0,
  verified_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, id)
);

SELECT tenant_table('senders', 'SELECT, INSERT, UPDATE, DELETE');

-- sender_usage: what a sender has used of a day (`d2026-11-22`) or hour (`h2026-11-22T14+00:00`) of its own zone:
-- exactly its touches in sending, unknown and sent (I8). `assigned` counts touches postponed into that day.
CREATE TABLE sender_usage (
  org_id uuid NOT NULL,
  sender_id uuid NOT NULL,
  period text NOT NULL,
  used int NOT NULL DEFAULT 0 CHECK (used >= 0),
  assigned int NOT NULL DEFAULT 0,
  PRIMARY KEY (org_id, sender_id, period),
  FOREIGN KEY (org_id, sender_id) REFERENCES senders (org_id, id) ON DELETE CASCADE
) WITH (fillfactor = 50);

SELECT tenant_table('sender_usage', 'SELECT, INSERT, UPDATE, DELETE');

-- contact_usage: touches a contact has had on a day of the organization's zone, over all sources (frequency caps).
CREATE TABLE contact_usage (
  org_id uuid NOT NULL,
  contact_id uuid NOT NULL,
  day date NOT NULL,
  used int NOT NULL DEFAULT 0 CHECK (used >= 0),
  PRIMARY KEY (org_id, contact_id, day)
) WITH (fillfactor = 70);

SELECT tenant_table('contact_usage', 'SELECT, INSERT, UPDATE, DELETE');

-- channel_switches: a channel switched off for the whole organization.
CREATE TABLE channel_switches (
  org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
  channel text NOT NULL,
  paused boolean NOT NULL DEFAULT false,
  epoch int NOT NULL DEFAULT 0,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, channel)
);

SELECT tenant_table('channel_switches', 'SELECT, INSERT, UPDATE');

-- hooks: addresses that a sender's provider calls. The address holds the only thing that leads to its organization; its
-- hash lies in `directory`. `secrets` are what the provider signs with, sealed: a list, so that they can be rotated.
CREATE TABLE hooks (
  org_id uuid NOT NULL,
  id uuid NOT NULL,
  sender_id uuid NOT NULL,
  token_hash bytea NOT NULL,
  secrets bytea,
  secret_count int NOT NULL DEFAULT 0,
  created_by text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, id),
  FOREIGN KEY (org_id, sender_id) REFERENCES senders (org_id, id)
);

CREATE INDEX hooks_sender ON hooks (org_id, sender_id);

SELECT tenant_table('hooks', 'SELECT, INSERT, UPDATE, DELETE');

-- inbound_calls: what was verified to come from a provider, as it came, before anybody made anything of it.
CREATE TABLE inbound_calls (
  org_id uuid NOT NULL,
  id uuid NOT NULL,
  hook_id uuid NOT NULL,
  query text NOT NULL,
  -- without those that hold credentials
  headers jsonb NOT NULL,
  body bytea NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, id)
);

SELECT tenant_table('inbound_calls', 'SELECT, INSERT');

-- inbound_events: what these calls tell, once for each event of the provider however often it is told, in the order it came.
CREATE TABLE inbound_events (
  org_id uuid NOT NULL,
  sender_id uuid NOT NULL,
  -- the provider's, after its type
  event_id text NOT NULL,
  call_id uuid NOT NULL,
  hook_id uuid NOT NULL,
  fact jsonb NOT NULL,
  -- null: it waits, to be read or for the touch that it is about
  result text CONSTRAINT inbound_events_result CHECK (result IN ('recorded', 'suppressed', 'unmatched', 'ignored')),
  received_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, sender_id, event_id),
  FOREIGN KEY (org_id, call_id) REFERENCES inbound_calls (org_id, id) ON DELETE CASCADE
);

CREATE INDEX inbound_events_waiting ON inbound_events (org_id, received_at) WHERE result IS NULL;

SELECT tenant_table('inbound_events', 'SELECT, INSERT, UPDATE');

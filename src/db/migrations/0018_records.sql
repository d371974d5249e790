-- records: what an organization's other systems know of a contact: deals, appointments, service jobs. Each is known by the
-- id it has there. `version` rises with each real change, and names the contact event that tells it.
CREATE TABLE records (
  org_id uuid NOT NULL,
  id uuid NOT NULL,
  kind text NOT NULL,
  external_id text NOT NULL CHECK (external_id <> ''),
  contact_id uuid NOT NULL,
  version int NOT NULL DEFAULT 1,
  title text,
  -- of a deal, its stage
  status text NOT NULL CHECK (status <> ''),
  starts_at timestamptz,
  ends_at timestamptz,
  amount numeric(18, 2),
  currency text,
  properties jsonb NOT NULL DEFAULT '{}',
  created_by text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, id),
  FOREIGN KEY (org_id, contact_id) REFERENCES contacts (org_id, id),
  CONSTRAINT records_kind CHECK (kind IN ('deal', 'appointment', 'service_job')),
  CONSTRAINT records_ends CHECK (ends_at >= starts_at)
);

CREATE UNIQUE INDEX records_external ON records (org_id, kind, external_id);

CREATE INDEX records_contact ON records (org_id, contact_id, kind);

SELECT tenant_table('records', 'SELECT, INSERT, UPDATE, DELETE');

-- When all reactions to an event were carried out. Until then it is in the index below, which is the queue: an event is
-- stored first, and whoever dies over its reactions leaves it there.
ALTER TABLE contact_events ADD COLUMN reacted_at timestamptz;

CREATE INDEX contact_events_waiting ON contact_events (org_id, id) WHERE reacted_at IS NULL;

GRANT UPDATE (reacted_at) ON contact_events TO cadenza_app;

-- event_reactions: what an event led to, once for each it concerned: an enrollment, a sequence, a contact, a touch. Written
-- as `pending` before it is carried out, so that a process that dies over it is followed by one that knows what is left.
CREATE TABLE event_reactions (
  org_id uuid NOT NULL,
  event_id uuid NOT NULL,
  reaction text NOT NULL CHECK (reaction ~ '^[a-z_]+$'),
  subject_id uuid NOT NULL,
  -- by which rule
  reason text,
  result text NOT NULL CONSTRAINT event_reactions_result CHECK (result IN ('pending', 'done', 'skipped', 'refused', 'failed')),
  -- why it was not done
  detail text,
  contact_id uuid,
  sequence_id uuid,
  enrollment_id uuid,
  receipt_id uuid,
  at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, event_id, reaction, subject_id),
  FOREIGN KEY (org_id, event_id) REFERENCES contact_events (org_id, id) ON DELETE CASCADE
);

SELECT tenant_table('event_reactions', 'SELECT, INSERT, UPDATE');

-- The events that enrol into a sequence, beside its definition: a definition holds bodies of mail, and is not to be read
-- for each event. Null: none.
ALTER TABLE sequence_versions ADD COLUMN enroll_on jsonb GENERATED ALWAYS AS
  (CASE WHEN jsonb_array_length(definition -> 'enroll_on') > 0 THEN definition -> 'enroll_on' END) STORED;

CREATE INDEX sequence_versions_enroll_on ON sequence_versions (org_id, id) WHERE enroll_on IS NOT NULL;

ALTER TABLE events DROP CONSTRAINT events_type;

ALTER TABLE events ADD CONSTRAINT events_type CHECK (type IN ('enrolled', 'pause', 'resume', 'advance', 'restart', 'moved', 'completed',
  'exited', 'converted', 'bounced', 'unsubscribed', 'unenrolled', 'failed', 'sent', 'retry', 'not_started', 'unknown', 'cancelled',
  'skipped', 'postponed', 'held', 'looked_up', 'resolved', 'needs_review', 'drafted', 'started', 'done', 'assigned', 'delivered',
  'bounce', 'complained', 'opened', 'clicked', 'replied', 'unsubscribe'));

-- Conversions of a sequence; few, and no other event pays for it.
CREATE INDEX events_converted ON events (org_id, sequence_id, at) WHERE type = 'converted';

-- contact_events: what happened to a contact, or came back from one, under a name: told through the API, by a record that changed,
-- or by the answer to a message, which is then named in `touch_id`. Append-only; conditions, goals and exits read it.
CREATE TABLE contact_events (
  org_id uuid NOT NULL,
  id uuid NOT NULL,
  contact_id uuid NOT NULL,
  name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9_.:-]{0,99}$'),
  -- when it happened, not when it was told
  at timestamptz NOT NULL,
  -- who tells: 'api', 'record', a provider; and what they call it, so that it is written once however often it is told
  source text NOT NULL CHECK (source <> ''),
  external_id text,
  touch_id uuid,
  properties jsonb NOT NULL DEFAULT '{}',
  told_by text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, id),
  FOREIGN KEY (org_id, contact_id) REFERENCES contacts (org_id, id)
);

CREATE UNIQUE INDEX contact_events_external ON contact_events (org_id, source, external_id) WHERE external_id IS NOT NULL;

CREATE INDEX contact_events_contact ON contact_events (org_id, contact_id, name, at);

CREATE INDEX contact_events_name ON contact_events (org_id, name, at);

SELECT tenant_table('contact_events', 'SELECT, INSERT');

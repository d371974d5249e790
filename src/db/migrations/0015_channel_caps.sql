-- Frequency caps of single channels beside those over all: {"sms": {"day": 1, "week": 3}}.
ALTER TABLE organizations ADD COLUMN channel_caps jsonb;

-- contact_channel_usage: as contact_usage, of channels with a cap of their own. Written only by who holds the contact's
-- row of the same day there.
CREATE TABLE contact_channel_usage (
  org_id uuid NOT NULL,
  contact_id uuid NOT NULL,
  channel text NOT NULL,
  day date NOT NULL,
  used int NOT NULL DEFAULT 0 CHECK (used >= 0),
  PRIMARY KEY (org_id, contact_id, channel, day)
) WITH (fillfactor = 70);

SELECT tenant_table('contact_channel_usage', 'SELECT, INSERT, UPDATE, DELETE');

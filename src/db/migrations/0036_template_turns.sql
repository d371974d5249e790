-- templates_due_at: whose WhatsApp templates are fetched next; senders that are there already are spread over the hour.
ALTER TABLE senders ADD COLUMN templates_due_at timestamptz NOT NULL DEFAULT now();

-- Why the last fetch failed, in words without secrets, and since when none has succeeded.
ALTER TABLE senders ADD COLUMN templates_error text;

ALTER TABLE senders ADD COLUMN templates_error_since timestamptz;

ALTER TABLE senders ADD CONSTRAINT senders_templates_error CHECK ((templates_error IS NULL) = (templates_error_since IS NULL));

-- The owner of the table sees every organization's rows while it is not forced not to.
ALTER TABLE senders NO FORCE ROW LEVEL SECURITY;

UPDATE senders SET templates_due_at = now() + random() * interval '1 hour' WHERE channel = 'whatsapp';

ALTER TABLE senders FORCE ROW LEVEL SECURITY;

CREATE INDEX senders_templates_due ON senders (templates_due_at) WHERE channel = 'whatsapp' AND status = 'active';

-- Whose turn it is is found over all organizations, by a role that sees no more of a sender than this (I7).
CREATE POLICY picker ON senders TO cadenza_picker USING (true) WITH CHECK (true);

GRANT SELECT (org_id, id, channel, provider, status, templates_due_at), UPDATE (templates_due_at) ON senders TO cadenza_picker;

-- A fetch writes what has changed, nothing else.
GRANT UPDATE ON whatsapp_templates TO cadenza_app;

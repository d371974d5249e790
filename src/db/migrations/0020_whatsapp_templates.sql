-- whatsapp_templates: the templates of a sender's WhatsApp account as they were when they were last fetched, all of them at once.
-- status and components are the provider's words; publishing a step that names one is checked against them.
CREATE TABLE whatsapp_templates (
  org_id uuid NOT NULL,
  sender_id uuid NOT NULL,
  name text NOT NULL,
  language text NOT NULL,
  status text NOT NULL,
  category text,
  parameter_format text NOT NULL CHECK (parameter_format IN ('positional', 'named')),
  components jsonb NOT NULL,
  PRIMARY KEY (org_id, sender_id, name, language),
  FOREIGN KEY (org_id, sender_id) REFERENCES senders (org_id, id)
);

SELECT tenant_table('whatsapp_templates', 'SELECT, INSERT, DELETE');

-- null: never; what is not known is not checked.
ALTER TABLE senders ADD COLUMN templates_synced_at timestamptz;

-- Quiet hours of the recipient's night; null: none but those of the law. The default is that of schedule/quiet-hours.ts.
ALTER TABLE organizations ADD COLUMN quiet_hours jsonb
  DEFAULT '{"from": "21:00", "to": "08:00", "channels": ["sms", "whatsapp", "whatsapp_lite", "call"]}';

-- holidays: days on which nothing is sent. Country '' are the organization's own, on which it sends to nobody; the
-- others hold for recipients who may be in that country.
CREATE TABLE holidays (
  org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
  country text NOT NULL CHECK (country ~ '^([A-Z]{2})?$'),
  day date NOT NULL,
  name text NOT NULL,
  PRIMARY KEY (org_id, country, day)
);

SELECT tenant_table('holidays', 'SELECT, INSERT, UPDATE, DELETE');

-- Which installation this database belongs to: of each of its master secrets a value derived from it, from which it cannot
-- be had. A process with another secret is told so instead of sending links that nobody can read. No tenant data.
CREATE TABLE installation_secrets (
  check_value text PRIMARY KEY,
  since timestamptz NOT NULL DEFAULT now()
);

ALTER TABLE installation_secrets ENABLE ROW LEVEL SECURITY;

ALTER TABLE installation_secrets FORCE ROW LEVEL SECURITY;

CREATE POLICY installation ON installation_secrets USING (true) WITH CHECK (true);

GRANT SELECT, INSERT ON installation_secrets TO cadenza_app;

-- Since when the provider of a sender cannot be reached, by what a send or a try met; null when it answered last.
ALTER TABLE senders ADD COLUMN unreachable_since timestamptz;

ALTER TABLE senders ADD COLUMN unreachable_reason text;

-- A key may be a member's: whoever calls with it is that member.
ALTER TABLE api_keys ADD COLUMN member_id uuid;

ALTER TABLE api_keys ADD CONSTRAINT api_keys_member FOREIGN KEY (org_id, member_id) REFERENCES members (org_id, id) ON DELETE CASCADE;

-- member_addresses: where a member has shown to read mail, by giving back a code that was sent there. The code itself is
-- kept nowhere; its hash is slow to compute, because six digits are soon tried.
CREATE TABLE member_addresses (
  org_id uuid NOT NULL,
  id uuid NOT NULL,
  member_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('email', 'phone')),
  address text NOT NULL CHECK (address <> ''),
  code_hash bytea,
  code_expires_at timestamptz,
  -- of the code that stands
  tries int NOT NULL DEFAULT 0,
  verified_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, id),
  UNIQUE (org_id, member_id, kind, address),
  FOREIGN KEY (org_id, member_id) REFERENCES members (org_id, id) ON DELETE CASCADE,
  CONSTRAINT member_addresses_code CHECK ((code_hash IS NULL) = (code_expires_at IS NULL))
);

SELECT tenant_table('member_addresses', 'SELECT, INSERT, UPDATE, DELETE');

-- member_mail: each message to a member, from before its call to the provider: what the limits of an hour count, and the
-- periods its quota is given back to. It holds no address; one that stays `sending` was cut off and counts as sent.
CREATE TABLE member_mail (
  org_id uuid NOT NULL,
  id uuid NOT NULL,
  member_id uuid NOT NULL,
  sender_id uuid NOT NULL,
  purpose text NOT NULL CHECK (purpose IN ('code', 'test')),
  -- the sender's day and hour, as in sender_usage
  day text NOT NULL,
  hour text,
  outcome text NOT NULL DEFAULT 'sending' CHECK (outcome IN ('sending', 'sent', 'failed', 'unknown')),
  reason text,
  provider_id text,
  begun_at timestamptz NOT NULL,
  ended_at timestamptz,
  PRIMARY KEY (org_id, id),
  FOREIGN KEY (org_id, member_id) REFERENCES members (org_id, id) ON DELETE CASCADE,
  FOREIGN KEY (org_id, sender_id) REFERENCES senders (org_id, id) ON DELETE CASCADE,
  CONSTRAINT member_mail_ended CHECK ((ended_at IS NULL) = (outcome = 'sending'))
);

CREATE INDEX member_mail_begun ON member_mail (org_id, begun_at);

SELECT tenant_table('member_mail', 'SELECT, INSERT, UPDATE, DELETE');

-- Of `used`, what went to members and not to contacts. So the gate counts it, and I8 reads: used less this is exactly the
-- touches in sending, unknown and sent.
ALTER TABLE sender_usage ADD COLUMN to_members int NOT NULL DEFAULT 0 CHECK (to_members >= 0);

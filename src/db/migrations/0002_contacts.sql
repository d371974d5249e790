-- contacts: `email`, `phone` … are the address each channel uses; further ones lie in contact_addresses.
-- `version` rises with each change: the gate compares it with what was composed.
CREATE TABLE contacts (
  org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
  id uuid NOT NULL,
  version int NOT NULL DEFAULT 1,
  external_id text,
  first_name text,
  last_name text,
  company text,
  title text,
  -- trimmed and lower-cased
  email text,
  -- E.164
  phone text,
  whatsapp text,
  linkedin text,
  telegram text,
  locale text,
  time_zone text,
  time_zone_from text CHECK (time_zone_from IN ('given', 'phone')),
  attributes jsonb NOT NULL DEFAULT '{}',
  import_id uuid,
  -- What search looks through, as columns: lower() is not leakproof, so under row-level security an index over the
  -- expression would be read whole.
  search_name text GENERATED ALWAYS AS (lower(coalesce(first_name, '') || ' ' || coalesce(last_name, ''))) STORED,
  search_last_name text GENERATED ALWAYS AS (lower(last_name)) STORED,
  search_company text GENERATED ALWAYS AS (lower(company)) STORED,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, id)
) WITH (fillfactor = 85);

CREATE UNIQUE INDEX contacts_email ON contacts (org_id, email text_pattern_ops) WHERE email IS NOT NULL;

CREATE UNIQUE INDEX contacts_external_id ON contacts (org_id, external_id) WHERE external_id IS NOT NULL;

CREATE INDEX contacts_phone ON contacts (org_id, phone text_pattern_ops) WHERE phone IS NOT NULL;

-- Search by the beginning of a word: full name (so first name too), last name, company.
CREATE INDEX contacts_name ON contacts (org_id, search_name text_pattern_ops);

CREATE INDEX contacts_last_name ON contacts (org_id, search_last_name text_pattern_ops) WHERE search_last_name IS NOT NULL;

CREATE INDEX contacts_company ON contacts (org_id, search_company text_pattern_ops) WHERE search_company IS NOT NULL;

SELECT tenant_table('contacts', 'SELECT, INSERT, UPDATE, DELETE');

-- Further addresses of a contact.
CREATE TABLE contact_addresses (
  org_id uuid NOT NULL,
  contact_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('email', 'phone', 'whatsapp', 'linkedin', 'telegram')),
  address text NOT NULL,
  label text,
  PRIMARY KEY (org_id, contact_id, kind, address),
  FOREIGN KEY (org_id, contact_id) REFERENCES contacts (org_id, id) ON DELETE CASCADE
);

CREATE INDEX contact_addresses_address ON contact_addresses (org_id, kind, address);

SELECT tenant_table('contact_addresses', 'SELECT, INSERT, UPDATE, DELETE');

-- Without a foreign key: checked a row at a time it costs an import of tagged contacts a third of its time, and no
-- contact is ever deleted (erasure blanks it).
CREATE TABLE contact_tags (
  org_id uuid NOT NULL,
  tag text NOT NULL CHECK (tag <> ''),
  contact_id uuid NOT NULL,
  PRIMARY KEY (org_id, tag, contact_id),
  FOREIGN KEY (org_id, contact_id) REFERENCES contacts (org_id, id) ON DELETE CASCADE
);

CREATE INDEX contact_tags_contact ON contact_tags (org_id, contact_id);

SELECT tenant_table('contact_tags', 'SELECT, INSERT, DELETE');

-- The custom attributes an organization knows, with their types; contacts.attributes holds the values.
CREATE TABLE attribute_definitions (
  org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
  key text NOT NULL CHECK (key ~ '^[a-z][a-z0-9_]{0,62}$'),
  type text NOT NULL CHECK (type IN ('text', 'number', 'boolean', 'date')),
  label text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, key)
);

SELECT tenant_table('attribute_definitions', 'SELECT, INSERT, UPDATE, DELETE');

-- consents: an append-only ledger; the current status is the newest row of (contact, channel).
CREATE TABLE consents (
  org_id uuid NOT NULL,
  contact_id uuid NOT NULL,
  channel text NOT NULL CHECK (channel IN ('email', 'sms', 'whatsapp', 'call', 'linkedin', 'telegram')),
  id uuid NOT NULL,
  status text NOT NULL CHECK (status IN ('granted', 'revoked')),
  source text NOT NULL,
  evidence text,
  actor_type text NOT NULL,
  actor_id text NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, contact_id, channel, id),
  FOREIGN KEY (org_id, contact_id) REFERENCES contacts (org_id, id) ON DELETE CASCADE
);

SELECT tenant_table('consents', 'SELECT, INSERT');

-- suppressions: addresses nothing may be sent to, whoever they belong to.
CREATE TABLE suppressions (
  org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
  kind text NOT NULL CHECK (kind IN ('email', 'phone', 'whatsapp', 'telegram')),
  address text NOT NULL,
  reason text NOT NULL CHECK (reason IN ('unsubscribe', 'hard_bounce', 'complaint', 'do_not_call', 'manual')),
  source text NOT NULL,
  contact_id uuid,
  touch_id uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, kind, address)
);

SELECT tenant_table('suppressions', 'SELECT, INSERT, UPDATE, DELETE');

-- imports: a file's bytes, its mapping and how far it has come. `next_byte`, the counts and the contacts of a
-- batch are written in one transaction, so an import killed anywhere goes on without doubling.
CREATE TABLE imports (
  org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
  id uuid NOT NULL,
  status text NOT NULL CHECK (status IN ('uploading', 'ready', 'running', 'completed', 'failed', 'cancelled')),
  filename text NOT NULL,
  bytes bigint NOT NULL DEFAULT 0,
  encoding text,
  delimiter text,
  header text[],
  mapping jsonb,
  identity text NOT NULL DEFAULT 'email' CHECK (identity IN ('email', 'phone', 'external_id')),
  existing text NOT NULL DEFAULT 'skip' CHECK (existing IN ('skip', 'update', 'fill_blanks')),
  tags text[] NOT NULL DEFAULT '{}',
  default_country text,
  next_byte bigint NOT NULL DEFAULT 0,
  next_row bigint NOT NULL DEFAULT 0,
  counts jsonb NOT NULL DEFAULT '{}',
  error text,
  created_by text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  started_at timestamptz,
  ended_at timestamptz,
  PRIMARY KEY (org_id, id)
);

SELECT tenant_table('imports', 'SELECT, INSERT, UPDATE, DELETE');

CREATE TABLE import_chunks (
  org_id uuid NOT NULL,
  import_id uuid NOT NULL,
  n int NOT NULL,
  bytes bytea NOT NULL,
  PRIMARY KEY (org_id, import_id, n),
  FOREIGN KEY (org_id, import_id) REFERENCES imports (org_id, id) ON DELETE CASCADE
);

-- Not compressed: a megabyte of text costs 30 ms to compress and is deleted when the import ends.
ALTER TABLE import_chunks ALTER COLUMN bytes SET STORAGE EXTERNAL;

SELECT tenant_table('import_chunks', 'SELECT, INSERT, DELETE');

CREATE TABLE import_errors (
  org_id uuid NOT NULL,
  import_id uuid NOT NULL,
  row_number bigint NOT NULL,
  n int NOT NULL DEFAULT 0,
  severity text NOT NULL CHECK (severity IN ('refused', 'warning', 'duplicate')),
  field text,
  code text NOT NULL,
  message text NOT NULL,
  raw text NOT NULL,
  PRIMARY KEY (org_id, import_id, row_number, n),
  FOREIGN KEY (org_id, import_id) REFERENCES imports (org_id, id) ON DELETE CASCADE
);

SELECT tenant_table('import_errors', 'SELECT, INSERT, DELETE');

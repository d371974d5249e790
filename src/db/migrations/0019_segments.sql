-- segments: conditions over contacts under a name (contacts/segments/condition.ts); who is in one is asked anew each time.
CREATE TABLE segments (
  org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
  id uuid NOT NULL,
  name text NOT NULL CHECK (name <> ''),
  condition jsonb NOT NULL,
  created_by text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, id),
  CONSTRAINT segments_name UNIQUE (org_id, name)
);

SELECT tenant_table('segments', 'SELECT, INSERT, UPDATE, DELETE');

-- A job's contacts may come from a segment, and from words (e-mail addresses, external ids) in a request or a file. Then
-- `entries` has, beside each contact, the words that named it, and `rows` the row of the file.
ALTER TABLE enrollment_jobs
  DROP CONSTRAINT enrollment_jobs_policy_check,
  ADD CONSTRAINT enrollment_jobs_policy_check CHECK (policy IN ('never', 'after_days', 'if_ended', 'restart')),
  ADD COLUMN policy_days int CHECK (policy_days > 0),
  ADD CONSTRAINT enrollment_jobs_policy_days CHECK (coalesce(policy = 'after_days', false) = (policy_days IS NOT NULL)),
  ADD COLUMN segment_id uuid,
  ADD COLUMN entries text[],
  ADD COLUMN rows int[];

-- exclusive_group: of the version it was enrolled under; at most one enrollment of a group lives for a contact. intake_day:
-- the day on which it begins, in the organization's zone, where its sequence says how many may begin a day. Both are null
-- for all others, whose rows are in neither index.
ALTER TABLE enrollments ADD COLUMN exclusive_group text, ADD COLUMN intake_day date;

CREATE UNIQUE INDEX enrollments_exclusive ON enrollments (org_id, exclusive_group, contact_id)
  WHERE exclusive_group IS NOT NULL AND status IN ('active', 'paused');

CREATE INDEX enrollments_intake ON enrollments (org_id, sequence_id, intake_day) WHERE intake_day IS NOT NULL;

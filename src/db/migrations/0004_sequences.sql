-- sequences: the draft is edited; publishing copies it into an immutable version.
CREATE TABLE sequences (
  org_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
  id uuid NOT NULL,
  name text NOT NULL CHECK (name <> ''),
  status text NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'active', 'paused', 'archived')),
  -- rises with each pause and resume; marks of an older epoch no longer count
  epoch int NOT NULL DEFAULT 0,
  draft jsonb NOT NULL,
  published_version_id uuid,
  created_by text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, id)
);

SELECT tenant_table('sequences', 'SELECT, INSERT, UPDATE, DELETE');

-- sequence_versions: immutable. `definition` is the whole of it: settings, window, sender ids and the steps with
-- their identities, in order; workers cache it by id.
CREATE TABLE sequence_versions (
  org_id uuid NOT NULL,
  id uuid NOT NULL,
  sequence_id uuid NOT NULL,
  number int NOT NULL,
  definition jsonb NOT NULL,
  published_by text NOT NULL,
  published_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (org_id, id),
  UNIQUE (org_id, sequence_id, number),
  FOREIGN KEY (org_id, sequence_id) REFERENCES sequences (org_id, id) ON DELETE CASCADE
);

SELECT tenant_table('sequence_versions', 'SELECT, INSERT, DELETE');

-- enrollments: a contact's way through a sequence. `live_touch` is the touch the current step waits for, or the
-- last one it had; the enrollment's due time is that touch's, there is no second column.
CREATE TABLE enrollments (
  org_id uuid NOT NULL,
  id uuid NOT NULL,
  sequence_id uuid NOT NULL,
  version_id uuid NOT NULL,
  contact_id uuid NOT NULL,
  status text NOT NULL,
  status_reason text,
  epoch int NOT NULL DEFAULT 0,
  generation int NOT NULL DEFAULT 1,
  -- position of the current step in the version, from 0
  step_no int NOT NULL DEFAULT 0,
  step_id uuid NOT NULL,
  live_touch uuid NOT NULL,
  sender_id uuid NOT NULL,
  -- e-mail thread: what was sent, in order, as `touch.key number`, and the first subject
  thread text[] NOT NULL DEFAULT '{}',
  thread_subject text,
  job_id uuid,
  enrolled_by text NOT NULL,
  ended_by text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  ended_at timestamptz,
  PRIMARY KEY (org_id, id),
  FOREIGN KEY (org_id, contact_id) REFERENCES contacts (org_id, id),
  FOREIGN KEY (org_id, sequence_id) REFERENCES sequences (org_id, id),
  CONSTRAINT enrollments_status CHECK (status IN ('active', 'paused', 'completed', 'failed', 'exited', 'bounced', 'unsubscribed', 'unenrolled')),
  CONSTRAINT enrollments_ended CHECK ((ended_at IS NULL) = (status IN ('active', 'paused')))
) WITH (fillfactor = 60);

-- At most one live enrollment per (sequence, contact) (SEQ-4).
CREATE UNIQUE INDEX enrollments_live ON enrollments (org_id, sequence_id, contact_id) WHERE status IN ('active', 'paused');

CREATE INDEX enrollments_contact ON enrollments (org_id, contact_id, sequence_id, id);

-- Lists and counts of a sequence; over several statuses or sequences their lists are merged.
CREATE INDEX enrollments_sequence ON enrollments (org_id, sequence_id, status, id);

SELECT tenant_table('enrollments', 'SELECT, INSERT, UPDATE');

-- enrollment_jobs: a bulk enrolment. Its contacts are fixed when it is made (a tag's: those that have it then), each
-- once, and worked in chunks of `chunk`.
CREATE TABLE enrollment_jobs (
  org_id uuid NOT NULL,
  id uuid NOT NULL,
  sequence_id uuid NOT NULL,
  policy text CHECK (policy IN ('never', 'if_ended', 'restart')),
  status text NOT NULL CHECK (status IN ('queued', 'running', 'completed', 'cancelled', 'failed')),
  tag text,
  contact_ids uuid[] NOT NULL,
  chunk int NOT NULL CHECK (chunk > 0),
  -- those named more than once included
  total int NOT NULL,
  error text,
  created_by text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  started_at timestamptz,
  ended_at timestamptz,
  PRIMARY KEY (org_id, id),
  FOREIGN KEY (org_id, sequence_id) REFERENCES sequences (org_id, id) ON DELETE CASCADE
);

-- Ids do not compress, and reading a slice of them should not unpack the rest.
ALTER TABLE enrollment_jobs ALTER COLUMN contact_ids SET STORAGE EXTERNAL;

SELECT tenant_table('enrollment_jobs', 'SELECT, INSERT, UPDATE');

-- enrollment_job_results: a row a chunk, written in one transaction with the chunk's enrollments: who is there was
-- worked, so a job killed anywhere goes on without doubling or losing. Chunk -1 holds those named more than once.
CREATE TABLE enrollment_job_results (
  org_id uuid NOT NULL,
  job_id uuid NOT NULL,
  n int NOT NULL,
  enrolled int NOT NULL DEFAULT 0,
  skipped int NOT NULL DEFAULT 0,
  refused int NOT NULL DEFAULT 0,
  -- the new enrollments: a contact and its enrollment at the same place
  contacts uuid[] NOT NULL DEFAULT '{}',
  enrollments uuid[] NOT NULL DEFAULT '{}',
  -- the others: [[contact_id, result, reason, enrollment_id], …]
  others jsonb NOT NULL DEFAULT '[]',
  PRIMARY KEY (org_id, job_id, n),
  FOREIGN KEY (org_id, job_id) REFERENCES enrollment_jobs (org_id, id) ON DELETE CASCADE
);

SELECT tenant_table('enrollment_job_results', 'SELECT, INSERT, UPDATE');

-- enrollments: what only those have that were moved to another version, or passed over a channel. Null for all
-- others, so that settling asks nothing more of them.
-- had_steps: steps further on that it has had in this generation already, because versions order them differently.
ALTER TABLE enrollments ADD COLUMN had_steps uuid[];

-- version_moves: live enrollments of a sequence moved to another of its versions. Worked in the order of their ids up
-- to `cursor`; the counts, the cursor and the enrollments of a chunk are written in one transaction, and who was moved
-- is no longer a candidate, so a job killed anywhere goes on without doubling or losing.
CREATE TABLE version_moves (
  org_id uuid NOT NULL,
  id uuid NOT NULL,
  sequence_id uuid NOT NULL,
  -- null: from whichever they are at
  from_version_id uuid,
  to_version_id uuid NOT NULL,
  status text NOT NULL CHECK (status IN ('queued', 'running', 'completed', 'cancelled', 'failed')),
  -- null: all that are live
  enrollment_ids uuid[],
  cursor uuid,
  total int NOT NULL,
  moved int NOT NULL DEFAULT 0,
  completed int NOT NULL DEFAULT 0,
  skipped int NOT NULL DEFAULT 0,
  refused int NOT NULL DEFAULT 0,
  error text,
  created_by text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  started_at timestamptz,
  ended_at timestamptz,
  PRIMARY KEY (org_id, id),
  FOREIGN KEY (org_id, sequence_id) REFERENCES sequences (org_id, id) ON DELETE CASCADE
);

ALTER TABLE version_moves ALTER COLUMN enrollment_ids SET STORAGE EXTERNAL;

SELECT tenant_table('version_moves', 'SELECT, INSERT, UPDATE');

ALTER TABLE events DROP CONSTRAINT events_type;

ALTER TABLE events ADD CONSTRAINT events_type CHECK (type IN ('enrolled', 'pause', 'resume', 'advance', 'restart', 'moved', 'completed',
  'exited', 'bounced', 'unsubscribed', 'unenrolled', 'failed', 'sent', 'retry', 'not_started', 'unknown', 'cancelled', 'skipped',
  'postponed', 'held', 'looked_up', 'resolved', 'needs_review', 'unsubscribe'));

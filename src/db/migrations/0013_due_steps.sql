-- due_steps: what people make of the steps that wait for them. A row only where somebody did something; the touch says
-- everything else, and the hot path knows nothing of this table.
CREATE TABLE due_steps (
  org_id uuid NOT NULL,
  touch_id uuid NOT NULL,
  -- what is to go instead of the template's; null: the template's
  draft_subject text,
  draft_text text,
  draft_html text,
  draft_source text CHECK (draft_source IN ('person', 'model')),
  drafted_at timestamptz,
  opened_by text,
  opened_at timestamptz,
  started_by text,
  started_at timestamptz,
  -- what came of what was done outside
  outcome text,
  note text,
  done_by text,
  done_at timestamptz,
  PRIMARY KEY (org_id, touch_id),
  CONSTRAINT due_steps_draft CHECK ((draft_source IS NULL) = (drafted_at IS NULL)),
  CONSTRAINT due_steps_done CHECK ((outcome IS NULL) = (done_at IS NULL))
);

COMMENT ON TABLE due_steps IS 'drafts and notes are what a person may read and an erasure blanks';

SELECT tenant_table('due_steps', 'SELECT, INSERT, UPDATE');

-- Who does the steps of an enrollment that wait for people; null: anybody.
ALTER TABLE enrollments ADD COLUMN assignee_id uuid;

-- Nobody's are not in it. `status` is in another index already, so no update of the hot path costs more for it.
CREATE INDEX enrollments_assigned ON enrollments (org_id, assignee_id) WHERE assignee_id IS NOT NULL AND status IN ('active', 'paused');

-- drafting_usage: what an organization has had a language model write on a day of its own.
CREATE TABLE drafting_usage (
  org_id uuid NOT NULL,
  day date NOT NULL,
  drafts int NOT NULL DEFAULT 0,
  tokens bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (org_id, day)
);

SELECT tenant_table('drafting_usage', 'SELECT, INSERT, UPDATE');

ALTER TABLE events DROP CONSTRAINT events_type;

ALTER TABLE events ADD CONSTRAINT events_type CHECK (type IN ('enrolled', 'pause', 'resume', 'advance', 'restart', 'moved', 'completed',
  'exited', 'bounced', 'unsubscribed', 'unenrolled', 'failed', 'sent', 'retry', 'not_started', 'unknown', 'cancelled', 'skipped',
  'postponed', 'held', 'looked_up', 'resolved', 'needs_review', 'drafted', 'started', 'done', 'assigned', 'unsubscribe'));

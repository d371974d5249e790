-- A person's touch falls due for a worker once, which looks at its condition and then leaves it to its person: it stands
-- in the due index until then. Taken up it may stay so for a day, and stands in it no more.
ALTER TABLE touches DROP CONSTRAINT touches_waits;

ALTER TABLE touches ADD CONSTRAINT touches_waits CHECK (mode = 'automatic' OR state <> 'sending' OR wake_at IS NULL);

-- Those that wait already are looked at too. The owner of the table sees every organization's rows while it is not forced not to.
ALTER TABLE touches NO FORCE ROW LEVEL SECURITY;

UPDATE touches SET wake_at = not_before WHERE mode = 'human' AND live AND state = 'planned' AND held_by IS NULL;

ALTER TABLE touches FORCE ROW LEVEL SECURITY;

-- What was let go, as its person saw it: whatever is written or changed later, this is what went.
ALTER TABLE due_steps ADD COLUMN went jsonb;

COMMENT ON TABLE due_steps IS 'drafts, notes and what went are what a person may read and an erasure blanks';

-- Whom the enrollments of a job are given to: nobody, one member, or several in turn.
ALTER TABLE enrollment_jobs ADD COLUMN assignees uuid[] NOT NULL DEFAULT '{}';

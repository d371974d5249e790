-- A sender belongs to the channel of a step: an enrollment has one a channel, which its version and its contact give
-- (plan/sequences/step-sender.ts). Each touch names its own; what people do themselves has none.
ALTER TABLE enrollments DROP COLUMN sender_id;

-- Of an enrollment that was moved to another version: senders that have written before and go on writing, though the
-- other version would have given it others.
ALTER TABLE enrollments ADD COLUMN kept_senders uuid[];

ALTER TABLE touches ALTER COLUMN sender_id DROP NOT NULL;

ALTER TABLE touches ADD COLUMN mode text NOT NULL DEFAULT 'automatic';

ALTER TABLE touches ADD CONSTRAINT touches_mode CHECK (mode IN ('automatic', 'human'));

ALTER TABLE touches ADD CONSTRAINT touches_sender CHECK (CASE WHEN channel IN ('call', 'linkedin', 'task') THEN mode = 'human' AND sender_id IS NULL ELSE sender_id IS NOT NULL END);

-- A person's touch waits outside the due index, or its lane would be taken for it again and again.
ALTER TABLE touches ADD CONSTRAINT touches_waits CHECK (mode = 'automatic' OR state <> 'planned' OR wake_at IS NULL);

-- What waits for people, by when it is due; a worker's touches are not in it, and the hot path pays nothing for it.
CREATE INDEX touches_human ON touches (org_id, not_before, id) WHERE mode = 'human' AND live;

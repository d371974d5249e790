-- Waits and decisions of sequences: touches of a channel on which nothing goes anywhere. They have no sender, never pass
-- the gate, and end as skipped with what was found, or cancelled.
ALTER TABLE touches DROP CONSTRAINT touches_channel;

ALTER TABLE touches ADD CONSTRAINT touches_channel
  CHECK (channel IN ('email', 'sms', 'whatsapp', 'whatsapp_lite', 'telegram', 'webhook', 'call', 'linkedin', 'task', 'wait'));

ALTER TABLE touches DROP CONSTRAINT touches_sender;

ALTER TABLE touches ADD CONSTRAINT touches_sender CHECK (CASE WHEN channel IN ('call', 'linkedin', 'task') THEN mode = 'human' AND sender_id IS NULL ELSE (sender_id IS NULL) = (channel = 'wait') END);

ALTER TABLE touches ADD CONSTRAINT touches_wait CHECK (channel <> 'wait' OR mode = 'automatic' AND state IN ('planned', 'skipped', 'cancelled'));

-- What something that happens to a contact may wake (wake_waits); nobody else's touches are in it, and the hot path pays
-- nothing for it.
CREATE INDEX touches_wait ON touches (org_id, contact_id) WHERE channel = 'wait' AND live;

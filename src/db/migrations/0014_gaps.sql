-- What a sender with a gap keeps beside its days and hours: in its row of period `gap`, from when the gap before the
-- next send counts: the last moment at which the last call could begin. Null in every other row.
ALTER TABLE sender_usage ADD COLUMN gap_from timestamptz;

-- sender_slots: the moment that a touch waits for because its sender sends with a gap, given once, and the gap before it.
-- A plan, not a right: the gate decides by gap_from. What is over, and what its touch waits for no more, counts no more.
CREATE TABLE sender_slots (
  org_id uuid NOT NULL,
  sender_id uuid NOT NULL,
  touch_id uuid NOT NULL,
  at timestamptz NOT NULL,
  gap_ms int NOT NULL,
  taken_at timestamptz NOT NULL,
  PRIMARY KEY (org_id, sender_id, touch_id),
  FOREIGN KEY (org_id, sender_id) REFERENCES senders (org_id, id) ON DELETE CASCADE
);

CREATE INDEX sender_slots_at ON sender_slots (org_id, sender_id, at);

SELECT tenant_table('sender_slots', 'SELECT, INSERT, UPDATE, DELETE');

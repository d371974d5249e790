-- What the circuit breaker of a sender goes by: of each of its days how many messages failed for good, and how many of
-- these because the address is none. Set to naught when it trips, so that whoever resumes the sender starts anew.
ALTER TABLE sender_usage ADD COLUMN failed int NOT NULL DEFAULT 0;

ALTER TABLE sender_usage ADD COLUMN bounced int NOT NULL DEFAULT 0;

-- When it trips: {"min_sends": 50, "bounce_percent": 5, "failure_percent": 20}; null: as usual.
ALTER TABLE senders ADD COLUMN breaker jsonb;

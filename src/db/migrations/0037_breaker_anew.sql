-- What the circuit breaker of a sender leaves out of a day: how many of what it sent had gone before its sender was resumed
-- from a trip, and when that was. `used` itself stays: a limit counts all of the day.
ALTER TABLE sender_usage ADD COLUMN sends_before int NOT NULL DEFAULT 0;

ALTER TABLE sender_usage ADD COLUMN anew_at timestamptz;

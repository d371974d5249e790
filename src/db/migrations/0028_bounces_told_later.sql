-- Of the messages that a sender sent on a day, those whose provider told later that they had bounced. They stay in `used`:
-- the provider took them. For its circuit breaker.
ALTER TABLE sender_usage ADD COLUMN bounced_later int NOT NULL DEFAULT 0;

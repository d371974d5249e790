-- What a segment of a text message costs, as the sender's owner was told by the provider:
-- {"amount": "0.0079", "currency": "USD", "prefixes": {"+49": "0.0750"}}; null: not said. Amounts are decimal texts, never floats.
ALTER TABLE senders ADD COLUMN price jsonb;

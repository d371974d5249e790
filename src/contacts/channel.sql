-- What kernel/channels.ts says of each channel, for SQL; a test compares them. Small enough to be inlined.
-- contact_address: where a channel reaches a contact; null: nowhere, or it writes to no address (then address_kind is null).
CREATE OR REPLACE FUNCTION address_kind(p_channel text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE p_channel WHEN 'email' THEN 'email' WHEN 'sms' THEN 'phone' WHEN 'whatsapp' THEN 'whatsapp' WHEN 'whatsapp_lite' THEN 'whatsapp'
          WHEN 'telegram' THEN 'telegram' WHEN 'call' THEN 'phone' WHEN 'linkedin' THEN 'linkedin' END $$;

CREATE OR REPLACE FUNCTION contact_address(p_channel text, p_email text, p_phone text, p_whatsapp text, p_telegram text, p_linkedin text)
RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE address_kind(p_channel) WHEN 'email' THEN p_email WHEN 'phone' THEN p_phone WHEN 'whatsapp' THEN p_whatsapp
          WHEN 'telegram' THEN p_telegram WHEN 'linkedin' THEN p_linkedin END $$;

-- The channel of the consent ledger that covers it; null: nobody is written to.
CREATE OR REPLACE FUNCTION consent_channel(p_channel text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE p_channel WHEN 'whatsapp_lite' THEN 'whatsapp' WHEN 'webhook' THEN NULL WHEN 'task' THEN NULL WHEN 'wait' THEN NULL ELSE p_channel END $$;

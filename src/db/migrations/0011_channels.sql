-- Every channel of kernel/channels.ts.
ALTER TABLE senders DROP CONSTRAINT senders_channel_check;

ALTER TABLE senders ADD CONSTRAINT senders_channel CHECK (channel IN ('email', 'sms', 'whatsapp', 'whatsapp_lite', 'telegram', 'webhook'));

ALTER TABLE channel_switches ADD CONSTRAINT channel_switches_channel
  CHECK (channel IN ('email', 'sms', 'whatsapp', 'whatsapp_lite', 'telegram', 'webhook', 'call', 'linkedin', 'task'));

ALTER TABLE touches ADD CONSTRAINT touches_channel
  CHECK (channel IN ('email', 'sms', 'whatsapp', 'whatsapp_lite', 'telegram', 'webhook', 'call', 'linkedin', 'task'));

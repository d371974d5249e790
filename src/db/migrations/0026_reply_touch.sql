-- A reply is attributed to a touch when it is reacted to.
GRANT UPDATE (touch_id) ON contact_events TO cadenza_app;

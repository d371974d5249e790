-- skip_channels: channels that its contact has opted out of, in a sequence that then skips their steps.
ALTER TABLE enrollments ADD COLUMN skip_channels text[];

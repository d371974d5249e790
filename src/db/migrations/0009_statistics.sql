-- Whatever the average organization is like, plans are made as if one had all the rows: the same for everybody, and the
-- right one for the largest. Takes effect with the next ANALYZE of each table (db/statistics.sql).
ALTER TABLE contacts ALTER COLUMN org_id SET (n_distinct = 1);

ALTER TABLE consents ALTER COLUMN org_id SET (n_distinct = 1);

ALTER TABLE suppressions ALTER COLUMN org_id SET (n_distinct = 1);

ALTER TABLE senders ALTER COLUMN org_id SET (n_distinct = 1);

ALTER TABLE sender_usage ALTER COLUMN org_id SET (n_distinct = 1);

ALTER TABLE contact_usage ALTER COLUMN org_id SET (n_distinct = 1);

ALTER TABLE sequences ALTER COLUMN org_id SET (n_distinct = 1);

ALTER TABLE enrollments ALTER COLUMN org_id SET (n_distinct = 1);

ALTER TABLE touches ALTER COLUMN org_id SET (n_distinct = 1);

ALTER TABLE gates ALTER COLUMN org_id SET (n_distinct = 1);

ALTER TABLE contact_tags ALTER COLUMN org_id SET (n_distinct = 1);

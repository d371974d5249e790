-- A chunk's results are ids, which do not compress: trying took 2 us an id.
ALTER TABLE enrollment_job_results ALTER COLUMN contacts SET STORAGE EXTERNAL;

ALTER TABLE enrollment_job_results ALTER COLUMN enrollments SET STORAGE EXTERNAL;

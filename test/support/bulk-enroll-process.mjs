/** One run of a bulk enrolment in a process of its own, to be killed: says each failpoint on a line. */
import '../../scripts/generate/load-typescript.mjs';

const { Database } = await import('../../src/db/database.ts');
const { VersionCache } = await import('../../src/plan/sequences/versions.ts');
const { runEnrollmentJob } = await import('../../src/plan/sequences/bulk-enroll.ts');

const { url, org, job, watch_ms } = JSON.parse(process.argv[2]);
const db = new Database({ url, max: 4 });
await runEnrollmentJob({ db, versions: new VersionCache(db) }, org, job, {
  worker: `test:${process.pid}`,
  logger: { warn() {} },
  watch_ms,
  failpoint: (name) => void process.stdout.write(`${name}\n`),
});
process.stdout.write('end\n');
await db.close();

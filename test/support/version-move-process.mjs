/** One run of a move between versions in a process of its own, to be killed: says each failpoint on a line. */
import '../../scripts/generate/load-typescript.mjs';

const { Database } = await import('../../src/db/database.ts');
const { VersionCache } = await import('../../src/plan/sequences/versions.ts');
const { runVersionMove } = await import('../../src/plan/sequences/bulk-version-move.ts');

const { url, org, job, chunk } = JSON.parse(process.argv[2]);
const db = new Database({ url, max: 2 });
await runVersionMove({ db, versions: new VersionCache(db) }, org, job, {
  worker: `test:${process.pid}`,
  chunk,
  watch_ms: 1_000,
  failpoint: (name) => void process.stdout.write(`${name}\n`),
});
process.stdout.write('end\n');
await db.close();

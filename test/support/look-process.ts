/**
 * A worker in a process of its own that looks at waits and branches, to be killed: says each failpoint on a line, and
 * stops for good at the one it is given. It has no provider; what comes after a wait is for the next worker.
 */
import { Database } from '../../src/db/database.ts';
import { deliver } from '../../src/dispatch/deliver.ts';
import { DEFAULT_LIMITS } from '../../src/dispatch/engine.ts';
import { newId } from '../../src/kernel/ids.ts';
import { invariant } from '../../src/kernel/invariant.ts';
import { VersionCache } from '../../src/plan/sequences/versions.ts';

const [url, org, point] = process.argv.slice(2);
invariant(url && org && point, 'usage: URL ORG POINT');

// Nothing else keeps a process alive that waits for ever.
setInterval(() => undefined, 60_000);
const db = new Database({ url, max: 3, application_name: 'looking' });
const log = { info() {}, warn() {}, error() {} };
await deliver(
  {
    db,
    log,
    worker: `test:${process.pid}`,
    versions: new VersionCache(db),
    connect: () => null,
    unsubscribeUrl: () => '',
    limits: DEFAULT_LIMITS,
    async failpoint(name) {
      process.stdout.write(`${JSON.stringify({ at: name })}\n`);
      if (name === point) await new Promise(() => undefined);
    },
  },
  { org, shard: 0, token: newId(), careful: false, suspect: null },
  { stop: () => false, settled: () => undefined },
);
process.stdout.write(`${JSON.stringify({ at: 'end' })}\n`);

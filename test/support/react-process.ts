/** A process of its own that reacts to what waits, and stops for good at a named point, to be killed there. */
import { Database } from '../../src/db/database.ts';
import { invariant } from '../../src/kernel/invariant.ts';
import { reactPending } from '../../src/plan/sequences/react.ts';
import { VersionCache } from '../../src/plan/sequences/versions.ts';

const [url, org, point] = process.argv.slice(2);
invariant(url && org && point, 'usage: URL ORG POINT');

/** The statement after which it stops: what it calls says where it is. */
const STATEMENTS: Record<string, string> = {
  after_flag: 'enrollment_flag',
  after_cancel: 'enrollment_cancel',
  after_enroll: 'enroll_batch',
};

class Stopping extends Database {
  override async call(...args: Parameters<Database['call']>) {
    const rows = await super.call(...args);
    if (args[0].text.includes(STATEMENTS[point!]!)) {
      process.stdout.write(`${JSON.stringify({ at: point })}\n`);
      await new Promise(() => undefined);
    }
    return rows as never;
  }
}

// Nothing else keeps a process alive that waits for ever.
setInterval(() => undefined, 60_000);
const db = new Stopping({ url, max: 3 });
const log = { warn() {}, error() {} };
await reactPending({ db, versions: new VersionCache(db), log }, org);

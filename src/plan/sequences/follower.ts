/**
 * A queue holds a dead worker's task for four hours. So a running job keeps a follower queued, a little ahead of now, and
 * removes it when it ends: whoever dies is succeeded in WATCH_MS.
 */
import type { Database } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';

const WATCH_MS = 30_000;

/** Call what it gives before each chunk; `key` is the job's own in the queue, under which its end removes the follower. */
export function follower(
  db: Database,
  task: string,
  key: string,
  payload: { org: Uuid; job: Uuid },
  watch: number = WATCH_MS,
): () => Promise<void> {
  let queued = Number.NEGATIVE_INFINITY;
  return async () => {
    if (performance.now() - queued < watch / 3) return;
    queued = performance.now();
    await db.call(sql`
      SELECT graphile_worker.add_job(${task}, ${JSON.stringify(payload)}::json, job_key => ${key},
        run_at => clock_timestamp() + ${watch}::int * interval '1 millisecond', job_key_mode => 'replace')`);
  };
}

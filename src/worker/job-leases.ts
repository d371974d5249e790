/**
 * Frees the housekeeping jobs of dead processes. graphile-worker believes in a lock for four hours; here the pool of
 * workers that locked it gives a sign of life, and the jobs of one that has gone silent are free within a minute.
 */
import type { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';

const HEARTBEAT_MS = 10_000;
const SILENT_MS = 40_000;

export interface JobLeases {
  /** What locks jobs, the queue's pool of workers, began. */
  add(id: string): void;
  /** It has ended: no more signs of life. */
  remove(id: string): void;
  stop(): Promise<void>;
}

export function keepJobLeases(
  db: Database,
  processName: string,
  onError: (error: unknown) => void,
): JobLeases {
  const own = new Set<string>();
  const round = async () => {
    try {
      await beat(db, processName, [...own]);
      await freeSilent(db);
    } catch (error) {
      onError(error);
    }
  };
  const timer = setInterval(round, HEARTBEAT_MS);
  return {
    add(id) {
      own.add(id);
      void round();
    },
    remove(id) {
      own.delete(id);
    },
    async stop() {
      clearInterval(timer);
      await db.call(sql`DELETE FROM job_workers WHERE id = ANY (${[...own]}::text[])`).catch(onError);
    },
  };
}

async function beat(db: Database, processName: string, ids: readonly string[]): Promise<void> {
  await db.call(sql`
    INSERT INTO job_workers AS w (id, process, heartbeat_at)
    SELECT id, ${processName}, clock_timestamp() FROM unnest(${ids}::text[]) id ORDER BY id
    ON CONFLICT (id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at`);
}

/** A worker that never gave a sign of life counts from when it locked its job. Exported for tests. */
export async function freeSilent(db: Database, silentMs: number = SILENT_MS): Promise<void> {
  await db.call(
    sql`DELETE FROM job_workers WHERE heartbeat_at < clock_timestamp() - ${silentMs} * interval '1 millisecond'`,
  );
  await db.call(sql`
    SELECT graphile_worker.force_unlock_workers(ARRAY(
      SELECT DISTINCT j.locked_by FROM graphile_worker._private_jobs j
       WHERE j.locked_by IS NOT NULL AND j.locked_at < clock_timestamp() - ${silentMs} * interval '1 millisecond'
         AND NOT EXISTS (SELECT FROM job_workers w WHERE w.id = j.locked_by)))`);
}

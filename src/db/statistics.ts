/** Keeps what the planner knows about the tables in step with their growth: see statistics.sql. */
import type { Database } from './database.ts';
import { sql } from './sql.ts';

/** How many tables were analyzed. Costs a look at the catalog when there is nothing to do. */
export async function refreshStatistics(db: Database): Promise<number> {
  const [row] = await db.call<{ n: number }>(sql`SELECT refresh_statistics() AS n`);
  return row?.n ?? 0;
}

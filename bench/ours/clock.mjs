/**
 * One clock for several processes of one machine and for its database: monotonic milliseconds since boot, which
 * all processes share, and how far the database's time of day is from it.
 */
const ASKS = 30;

export const now = () => Number(process.hrtime.bigint()) / 1e6;

/** What to take off the database's Unix milliseconds to get ours: from the quickest of some round trips. */
export async function databaseOffset(world) {
  let best = { took: Number.POSITIVE_INFINITY, offset: 0 };
  for (let n = 0; n < ASKS; n++) {
    const before = now();
    const theirs = await world.ask('SELECT extract(epoch FROM clock_timestamp())::float8 * 1000');
    const after = now();
    if (after - before < best.took) best = { took: after - before, offset: theirs - (before + after) / 2 };
  }
  return best.offset;
}

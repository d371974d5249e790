/** Asks the database in the middle of everything: what must hold at every moment is not only asked at the end. */
import { checkDatabase } from './checker/database.ts';
import type { Violation } from './checker/violation.ts';
import type { Cluster } from './cluster.ts';
import { asOwner } from './cluster.ts';

const EVERY_MS = 2_000;
/** One finding is enough of each kind; the rest would repeat it. */
const KEPT = 20;

export interface Samples {
  taken: number;
  violations: (Violation & { sampled_at: string })[];
}

export async function sample(cluster: Cluster, samples: Samples, stop: AbortSignal): Promise<void> {
  const seen = new Set<string>();
  while (!stop.aborted) {
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    if (samples.violations.length >= KEPT) return;
    try {
      const found = await asOwner(cluster.url(), (client) => checkDatabase(client));
      samples.taken++;
      const sampled_at = new Date().toISOString();
      for (const violation of found) {
        const { rows: _, ...facts } = violation;
        const key = JSON.stringify(facts);
        if (seen.has(key)) continue;
        seen.add(key);
        samples.violations.push({ ...violation, sampled_at });
      }
    } catch {
      // The database is down, as it should be now and then.
    }
  }
}

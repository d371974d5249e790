/** Does to the processes what the schedule says, at its times, and counts what was really done. */
import type { Cluster } from './cluster.ts';
import { asOwner } from './cluster.ts';
import type { DatabaseProxy } from './database-proxy.ts';
import type { Managed } from './processes.ts';
import type { Fault } from './schedule.ts';

export interface Injected {
  processes: ReadonlyMap<string, Managed>;
  proxies: ReadonlyMap<string, DatabaseProxy>;
  cluster: Cluster;
  /** The provider's control port. */
  provider(path: '/faults' | '/refuse', body: object): Promise<void>;
}

export interface FaultCounts {
  kills: number;
  freezes: number;
  db_crashes: number;
  cuts: number;
  stalls: number;
  terminated: number;
  provider_refusals: number;
}

export const noFaults = (): FaultCounts => ({
  kills: 0,
  freezes: 0,
  db_crashes: 0,
  cuts: 0,
  stalls: 0,
  terminated: 0,
  provider_refusals: 0,
});

export async function inject(
  world: Injected,
  faults: readonly Fault[],
  counts: FaultCounts,
  stop: AbortSignal,
): Promise<void> {
  const begun = performance.now();
  for (const fault of faults) {
    await until(begun + fault.at_ms, stop);
    if (stop.aborted) return;
    // Not awaited: a slow fault does not put off the next.
    void strike(world, fault, counts).catch(() => undefined);
  }
}

async function strike(world: Injected, fault: Fault, counts: FaultCounts): Promise<void> {
  switch (fault.kind) {
    case 'kill':
      if (world.processes.get(fault.process)?.kill()) counts.kills++;
      return;
    case 'freeze':
      if (world.processes.get(fault.process)?.freeze(fault.ms)) counts.freezes++;
      return;
    case 'crash_database':
      if (world.cluster.crash(fault.down_ms)) counts.db_crashes++;
      return;
    case 'terminate_backends':
      counts.terminated += await terminate(world.cluster, fault.share);
      return;
    case 'cut':
      world.proxies.get(fault.process)?.cut(fault.how);
      counts.cuts++;
      return;
    case 'stall':
      world.proxies.get(fault.process)?.stall(fault.ms);
      counts.stalls++;
      return;
    case 'provider_faults':
      return world.provider('/faults', fault.plan);
    case 'provider_refuses':
      counts.provider_refusals++;
      return world.provider('/refuse', { ms: fault.ms });
  }
}

async function terminate(cluster: Cluster, share: number): Promise<number> {
  return asOwner(cluster.url(), async (client) => {
    const { rowCount } = await client.query(
      // Not in `postgres`: there the launcher is, which brings the server up again.
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND datname <> 'postgres' AND application_name <> 'chaos' AND random() < $1`,
      [share],
    );
    return rowCount ?? 0;
  });
}

function until(at: number, stop: AbortSignal): Promise<void> {
  const ms = at - performance.now();
  if (ms <= 0 || stop.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      stop.removeEventListener('abort', done);
      resolve();
    }
    stop.addEventListener('abort', done);
  });
}

/**
 * A running server in our hands: stops it, starts it again or tells when it ended by itself, and takes it down with
 * this process unless that is killed outright (then the next start adopts it).
 */
import { findPostmaster, type Place, signal, stopPostmaster } from './postmaster.ts';
import { stillServes, until } from './processes.ts';

const WATCH_MS = 250;
const CRASH_MS = 10_000;
/** A server that ends more often than this has a reason that starting it again does not mend. */
export const REVIVALS = 5;
export const REVIVAL_WINDOW_MS = 10 * 60_000;
/** Before another try, when a start failed: what stood in its way may be passing. */
const PAUSE_MS = 1_000;

export interface EmbeddedServer {
  /** The owner's URL: superuser of this server, on 127.0.0.1. */
  url: string;
  port: number;
  /** Of the postmaster; another one after a revival. */
  readonly pid: number;
  /** It was running already, left by a launcher that was killed. */
  adopted: boolean;
  /** Fast shutdown; resolves when the process is gone and the directory is free. May be called twice. */
  stop(): Promise<void>;
  /**
   * Called once if the server ends without `stop`. The directory is free then: start it again. With `revive` it is
   * called when the server is given up, and the directory stays ours until `stop` or the end of this process.
   */
  onExit(callback: () => void): void;
  /** For tests: SIGKILL, as a power cut would. Resolves when the directory is free. `onExit` is called. */
  crash(): Promise<void>;
}

interface Supervised {
  url: string;
  port: number;
  pid: number;
  adopted: boolean;
  place: Place;
  release: () => void;
  log: (line: string) => void;
  /** Starts the server again at the same port and gives its pid; null: not to be revived. */
  again: (() => Promise<number>) | null;
}

export function superviseServer(given: Supervised): EmbeddedServer {
  const { place, again } = given;
  const callbacks: (() => void)[] = [];
  let pid = given.pid;
  let over = false;
  let held = true;
  let stopping: Promise<void> | null = null;
  let reviving: Promise<void> | null = null;

  // In the middle of a revival the new server is known by its pid file alone.
  const endWithUs = () => interrupt(reviving === null ? pid : findPostmaster(place.data)?.pid);
  const release = () => {
    if (held) given.release();
    held = false;
  };
  const finish = () => {
    if (over) return;
    over = true;
    clearInterval(watch);
    process.removeListener('exit', endWithUs);
    if (stopping !== null) return;
    // Whoever keeps the server alive may have more in that directory: only its own end lets another process in.
    if (again === null) release();
    for (const callback of callbacks) callback();
  };
  const mayRevive = revivalLimit();
  const revive = async (start: () => Promise<number>) => {
    const found = await startAgain(given, start, () => stopping === null, mayRevive);
    if (found === 'given up') finish();
    else if (found !== null) pid = found;
  };
  const ended = () => {
    if (again === null) return finish();
    reviving ??= revive(again).finally(() => {
      reviving = null;
    });
  };
  // Adopted servers are not our children, so both kinds are watched the same way.
  const watch = setInterval(() => {
    if (stopping === null && reviving === null && !stillServes(pid, place.data)) ended();
  }, WATCH_MS);
  watch.unref();
  process.on('exit', endWithUs);

  const stop = async () => {
    await reviving;
    if (!over && stillServes(pid, place.data)) await stopPostmaster(pid, place);
    finish();
    release();
  };

  return {
    url: given.url,
    port: given.port,
    get pid() {
      return pid;
    },
    adopted: given.adopted,
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
    onExit: (callback) => void callbacks.push(callback),
    async crash() {
      await killed(pid, place);
      ended();
    },
  };
}

async function killed(pid: number, place: Place): Promise<void> {
  signal(pid, 'SIGKILL');
  await until(() => !stillServes(pid, place.data), CRASH_MS);
}

function interrupt(pid: number | undefined): void {
  try {
    if (pid !== undefined) signal(pid, 'SIGINT');
  } catch {
    // Exiting: there is nobody to tell.
  }
}

/** The new server's pid; null when nobody wants one any more. */
async function startAgain(
  { log, port }: Pick<Supervised, 'log' | 'port'>,
  start: () => Promise<number>,
  wanted: () => boolean,
  mayRevive: () => boolean,
): Promise<number | 'given up' | null> {
  while (wanted()) {
    if (!mayRevive()) return 'given up';
    log('the database server ended by itself: starting it again');
    try {
      const pid = await start();
      log(`PostgreSQL runs again on 127.0.0.1:${port}, process ${pid}`);
      return pid;
    } catch (error) {
      log((error as Error).message);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
  return null;
}

/** Says for each revival whether it is within the limit, and counts it. */
function revivalLimit(): () => boolean {
  let times: number[] = [];
  return () => {
    const now = Date.now();
    times = times.filter((at) => at > now - REVIVAL_WINDOW_MS);
    if (times.length >= REVIVALS) return false;
    times.push(now);
    return true;
  };
}

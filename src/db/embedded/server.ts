/**
 * A running server in our hands: stops it, tells when it ended by itself, and takes it down with this process
 * unless that is killed outright (then the next start adopts it).
 */
import { type Place, signal, stopPostmaster } from './postmaster.ts';
import { stillServes, until } from './processes.ts';

const WATCH_MS = 250;
const CRASH_MS = 10_000;

export interface EmbeddedServer {
  /** The owner's URL: superuser of this server, on 127.0.0.1. */
  url: string;
  port: number;
  /** Of the postmaster. */
  pid: number;
  /** It was running already, left by a launcher that was killed. */
  adopted: boolean;
  /** Fast shutdown; resolves when the process is gone and the directory is free. May be called twice. */
  stop(): Promise<void>;
  /** Called once if the server ends without `stop`. The directory is free then: start it again. */
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
}

export function superviseServer(given: Supervised): EmbeddedServer {
  const { pid, place } = given;
  const callbacks: (() => void)[] = [];
  let over = false;
  let stopping: Promise<void> | null = null;

  const endWithUs = () => {
    try {
      signal(pid, 'SIGINT');
    } catch {
      // Exiting: there is nobody to tell.
    }
  };
  const finish = () => {
    if (over) return;
    over = true;
    clearInterval(watch);
    process.removeListener('exit', endWithUs);
    given.release();
    if (stopping === null) for (const callback of callbacks) callback();
  };
  // Adopted servers are not our children, so both kinds are watched the same way.
  const watch = setInterval(() => {
    if (stopping === null && !stillServes(pid, place.data)) finish();
  }, WATCH_MS);
  watch.unref();
  process.on('exit', endWithUs);

  return {
    url: given.url,
    port: given.port,
    pid,
    adopted: given.adopted,
    stop() {
      stopping ??= (over ? Promise.resolve() : stopPostmaster(pid, place)).then(finish);
      return stopping;
    },
    onExit(callback) {
      callbacks.push(callback);
    },
    async crash() {
      signal(pid, 'SIGKILL');
      await until(() => !stillServes(pid, place.data), CRASH_MS);
      finish();
    },
  };
}

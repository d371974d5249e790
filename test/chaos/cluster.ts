/** A PostgreSQL of our own, with full durability, that can be killed and comes back. */
import { join } from 'node:path';
import pg from 'pg';
import { launcher, type Project } from './dist.ts';

export interface Cluster {
  /** The owner's URL, straight, not through a proxy. */
  url(): string;
  port(): number;
  /** SIGKILL, then started again after so long. False: it is down already. */
  crash(downMs: number): boolean;
  /** Until it runs. */
  up(): Promise<void>;
  stop(): Promise<void>;
}

export async function startCluster(project: Project, dir: string): Promise<Cluster> {
  const { startEmbedded } = await launcher(project);
  const start = () => startEmbedded({ dataDir: join(dir, 'postgres'), durable: true });
  let server = await start();
  let coming: Promise<void> | null = null;
  return {
    url: () => server.url,
    port: () => server.port,
    crash(downMs) {
      if (coming) return false;
      coming = (async () => {
        await server.crash();
        await new Promise((resolve) => setTimeout(resolve, downMs));
        server = await start();
        coming = null;
      })();
      return true;
    },
    async up() {
      await coming;
    },
    async stop() {
      await coming;
      await server.stop();
    },
  };
}

/** Asks as the owner; a connection each time, because servers come and go here. */
export async function asOwner<T>(url: string, ask: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'chaos',
    connectionTimeoutMillis: 5_000,
  });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await ask(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

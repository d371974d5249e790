/** Workers as users run them, each a process of the built program, that send through a provider that records every call. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { type Provider, startProvider } from '../../src/channels/sandbox-http/recorder.ts';
import { sql } from '../../src/db/sql.ts';
import { type Child, children } from './child.ts';
import { type EngineWorld, SECRET } from './engine.ts';

/** Call at the top of a file. */
export function recordedWorkers(world: () => EngineWorld) {
  let dir: string;
  let provider: Provider;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'cadenza-workers-'));
    provider = await startProvider({ dir });
  });
  afterEach(async () => {
    await provider.stop();
    await rm(dir, { recursive: true, force: true });
  });
  // After the provider, and so ended before it.
  const start = children();

  return {
    plan: (faults: object) => provider.plan(faults),

    async sendThrough(kind: 'K' | 'L' | 'N', max_connections: number): Promise<void> {
      const { owner, sender } = world();
      const config = {
        url: `http://127.0.0.1:${provider.port}`,
        account: 'one',
        class: kind,
        max_connections,
      };
      await owner.call(sql`
        UPDATE senders SET provider = 'sandbox_http', config = ${JSON.stringify(config)}, version = version + 1 WHERE id = ${sender}::uuid`);
    },

    startWorker: (env: Record<string, string> = {}): Child =>
      start('bin/cadenza.mjs', ['worker', '--json'], {
        APP_DATABASE_URL: world().db.url,
        CADENZA_DATA: dir,
        CADENZA_SECRET: SECRET,
        LOG_LEVEL: 'silent',
        PRIVATE_HOSTS: '127.0.0.1',
        WORKER_POLL_MS: '50',
        ...env,
      }),

    async enroll(contacts: number): Promise<void> {
      const steps = [{ channel: 'email', subject: 'Hi', body_text: 'One' }];
      await world().enroll(await world().sequence({ steps }), await world().contacts(contacts));
    },

    /** The touches of the calls that came to this, in order. */
    async recorded(event: string): Promise<string[]> {
      const text = await readFile(provider.journal, 'utf8');
      const lines = text.split('\n').filter(Boolean);
      return lines
        .map((line): { event: string; touch_id: string } => JSON.parse(line))
        .filter((line) => line.event === event)
        .map((line) => line.touch_id);
    },

    /** How many touches are in which state. */
    async states(): Promise<Record<string, number>> {
      const { owner, org } = world();
      const rows = await owner.call<{ state: string; n: number }>(
        sql`SELECT state, count(*)::int AS n FROM touches WHERE org_id = ${org}::uuid GROUP BY 1`,
      );
      return Object.fromEntries(rows.map((row) => [row.state, row.n]));
    },
  };
}

/** A worker process that is killed with its hands full: what it had called is found out, the rest goes once. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Provider, startProvider } from '../../src/channels/sandbox-http/recorder.ts';
import { sql } from '../../src/db/sql.ts';
import { type Child, startChild } from '../support/child.ts';
import { type EngineWorld, SECRET } from '../support/engine.ts';
import { until } from '../support/until.ts';
import { worlds } from '../support/worlds.ts';

const CONNECTIONS = 8;
const CONTACTS = 40;
const worldOf = worlds();
let world: EngineWorld;
let dir: string;
let provider: Provider;
const children: Child[] = [];

beforeEach(async () => {
  world = worldOf();
  dir = await mkdtemp(join(tmpdir(), 'cadenza-killed-'));
  provider = await startProvider({ dir });
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    child.process.kill('SIGKILL');
    await child.ended;
  }
  await provider.stop();
  await rm(dir, { recursive: true, force: true });
});

async function sendThrough(kind: 'K' | 'L' | 'N'): Promise<void> {
  const config = {
    url: `http://127.0.0.1:${provider.port}`,
    account: 'one',
    class: kind,
    max_connections: CONNECTIONS,
  };
  await world.owner.call(sql`
    UPDATE senders SET provider = 'sandbox_http', config = ${JSON.stringify(config)}, version = version + 1 WHERE id = ${world.sender}::uuid`);
}

/** As built: what users run. */
function startWorker(): Child {
  const child = startChild('bin/cadenza.mjs', ['worker', '--json'], {
    APP_DATABASE_URL: world.db.url,
    CADENZA_DATA: dir,
    CADENZA_SECRET: SECRET,
    LOG_LEVEL: 'silent',
    PRIVATE_HOSTS: '127.0.0.1',
    WORKER_POLL_MS: '50',
    WORKER_LOOKUP_GAP_MS: '200',
  });
  children.push(child);
  return child;
}

async function recorded(event: string): Promise<string[]> {
  const text = await readFile(provider.journal, 'utf8');
  const lines = text.split('\n').filter(Boolean);
  return lines
    .map((line): { event: string; touch_id: string } => JSON.parse(line))
    .filter((line) => line.event === event)
    .map((line) => line.touch_id);
}

async function states(): Promise<Record<string, number>> {
  const rows = await world.owner.call<{ state: string; n: number }>(
    sql`SELECT state, count(*)::int AS n FROM touches WHERE org_id = ${world.org}::uuid AND step_no = 0 GROUP BY 1`,
  );
  return Object.fromEntries(rows.map((row) => [row.state, row.n]));
}

/** Kills a worker whose every connection waits for an answer, and lets its leases run out. */
async function killed(): Promise<void> {
  const sequence = await world.sequence({ steps: [{ channel: 'email', subject: 'Hi', body_text: 'One' }] });
  await world.enroll(sequence, await world.contacts(CONTACTS));
  const worker = startWorker();
  await until(
    async () => (await recorded('begun')).length >= CONNECTIONS,
    'every connection to be busy',
    30_000,
  );
  worker.process.kill('SIGKILL');
  await worker.ended;
  // What passed the gate is what could be called at once, and no more.
  expect(await states()).toEqual({ sending: CONNECTIONS, planned: CONTACTS - CONNECTIONS });
  provider.plan({});
  await world.owner.call(
    sql`UPDATE gates SET lease_until = now() - interval '1 second' WHERE org_id = ${world.org}::uuid`,
  );
  await world.owner.call(
    sql`UPDATE lanes SET lease_until = now() - interval '1 second' WHERE org_id = ${world.org}::uuid`,
  );
}

describe('a worker killed with every connection busy', () => {
  it('[EXE-4] [EXE-5] class L: each of its calls is looked up, the rest is sent once by the next', async () => {
    await sendThrough('L');
    // Half of what it called had been accepted when it died.
    provider.plan({ rates: { hang_before: 0.5, hang_after: 0.5 } });
    await killed();
    const before = await recorded('accepted');
    startWorker();
    await until(async () => (await states()).sent === CONTACTS, 'all to be sent', 30_000);
    const accepted = await recorded('accepted');
    expect(accepted).toHaveLength(CONTACTS);
    expect(new Set(accepted).size).toBe(CONTACTS);
    // Nothing that had been accepted was called again.
    const begun = await recorded('begun');
    for (const touch of before) expect(begun.filter((id) => id === touch)).toHaveLength(1);
    const [unknown] = await world.owner.call<{ n: number }>(
      sql`SELECT count(DISTINCT touch_id)::int AS n FROM events WHERE org_id = ${world.org}::uuid AND type = 'unknown'`,
    );
    expect(unknown!.n).toBeLessThanOrEqual(CONNECTIONS);
  });

  it('[EXE-4] [EXE-5] class N: what may have gone waits for a person, the rest is sent once', async () => {
    await sendThrough('N');
    provider.plan({ rates: { hang_before: 0.5, hang_after: 0.5 } });
    await killed();
    startWorker();
    await until(async () => (await states()).sent === CONTACTS - CONNECTIONS, 'the rest to be sent', 30_000);
    const review = async () =>
      (await world.owner.call(sql`SELECT id FROM touches WHERE org_id = ${world.org}::uuid AND needs_review`))
        .length;
    await until(async () => (await review()) === CONNECTIONS, 'a person to be asked', 30_000);
    expect(await states()).toEqual({ sent: CONTACTS - CONNECTIONS, unknown: CONNECTIONS });
    const accepted = await recorded('accepted');
    expect(new Set(accepted).size).toBe(accepted.length);
  });
});

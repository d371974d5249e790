/** A worker that is asked to end finishes what it holds and hands the rest back; a rolling deploy loses and repeats nothing. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Provider, startProvider } from '../../src/channels/sandbox-http/recorder.ts';
import { sql } from '../../src/db/sql.ts';
import { type Child, startChild } from '../support/child.ts';
import { type EngineWorld, SECRET } from '../support/engine.ts';
import { until } from '../support/until.ts';
import { worlds } from '../support/worlds.ts';

const CONNECTIONS = 4;
const CONTACTS = 60;
/** Long enough that calls are open whenever somebody looks. */
const SLOW_MS = 150;
const worldOf = worlds();
let world: EngineWorld;
let dir: string;
let provider: Provider;
const children: Child[] = [];

beforeEach(async () => {
  world = worldOf();
  dir = await mkdtemp(join(tmpdir(), 'cadenza-shutdown-'));
  provider = await startProvider({ dir });
  // What may have gone and was not settled would wait for a person: it cannot hide.
  const config = {
    url: `http://127.0.0.1:${provider.port}`,
    account: 'one',
    class: 'N',
    max_connections: CONNECTIONS,
  };
  await world.owner.call(sql`
    UPDATE senders SET provider = 'sandbox_http', config = ${JSON.stringify(config)}, version = version + 1 WHERE id = ${world.sender}::uuid`);
  provider.plan({ rates: { slow: 1 }, slow_ms: SLOW_MS });
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    child.process.kill('SIGKILL');
    await child.ended;
  }
  await provider.stop();
  await rm(dir, { recursive: true, force: true });
});

/** As built: what users run. */
function startWorker(): Child {
  const child = startChild('bin/cadenza.mjs', ['worker', '--json'], {
    APP_DATABASE_URL: world.db.url,
    CADENZA_DATA: dir,
    CADENZA_SECRET: SECRET,
    LOG_LEVEL: 'silent',
    PRIVATE_HOSTS: '127.0.0.1',
    WORKER_POLL_MS: '50',
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
    sql`SELECT state, count(*)::int AS n FROM touches WHERE org_id = ${world.org}::uuid GROUP BY 1`,
  );
  return Object.fromEntries(rows.map((row) => [row.state, row.n]));
}

async function enroll(): Promise<void> {
  const sequence = await world.sequence({ steps: [{ channel: 'email', subject: 'Hi', body_text: 'One' }] });
  await world.enroll(sequence, await world.contacts(CONTACTS));
}

const begun = (n: number) =>
  until(async () => (await recorded('begun')).length >= n, `${n} calls to have begun`, 30_000);

describe('a worker that gets SIGTERM with every connection busy', () => {
  it('[OPS-5] [TEN-5] settles what is in flight, hands the rest back, lets its lane go, and signed what it did', async () => {
    await enroll();
    const worker = startWorker();
    await begun(CONNECTIONS * 2);
    worker.process.kill('SIGTERM');
    expect(await worker.ended).toBe(0);
    const after = await states();
    expect(Object.keys(after).sort()).toEqual(['planned', 'sent']);
    expect(after.planned).toBeGreaterThan(0);
    expect(await recorded('accepted')).toHaveLength(after.sent!);
    expect(await recorded('begun')).toHaveLength(after.sent!);
    const [held] = await world.owner.call<{ gates: number; lanes: number }>(sql`
      SELECT (SELECT count(*)::int FROM gates WHERE org_id = ${world.org}::uuid AND open > 0) AS gates,
             (SELECT count(*)::int FROM lanes WHERE org_id = ${world.org}::uuid AND lease_until > now()) AS lanes`);
    expect(held).toEqual({ gates: 0, lanes: 0 });
    const actors = await world.owner.call<{ actor: string }>(
      sql`SELECT DISTINCT actor FROM events WHERE org_id = ${world.org}::uuid AND type = 'sent'`,
    );
    expect(actors).toEqual([{ actor: `worker:${hostname()}:${worker.process.pid}` }]);
  });
});

describe('a rolling deploy', () => {
  it('[OPS-5] loses and repeats nothing, however often the workers change', async () => {
    await enroll();
    let old = startWorker();
    for (const n of [6, 20]) {
      await begun(n);
      const next = startWorker();
      await next.line();
      old.process.kill('SIGTERM');
      expect(await old.ended).toBe(0);
      old = next;
    }
    await until(async () => (await states()).sent === CONTACTS, 'all to be sent', 30_000);
    const accepted = await recorded('accepted');
    expect(accepted).toHaveLength(CONTACTS);
    expect(new Set(accepted).size).toBe(CONTACTS);
    expect(await recorded('begun')).toHaveLength(CONTACTS);
  });
});

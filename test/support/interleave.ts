/**
 * Interleavings without luck: a second connection holds a row, an advisory lock or a table, so that a transaction
 * under test waits at exactly that statement; `pg_stat_activity` says when it does.
 */
import pg from 'pg';
import { Database } from '../../src/db/database.ts';
import { sql } from '../../src/db/sql.ts';
import type { EngineWorld } from './engine.ts';
import { until } from './until.ts';

const open = { clients: new Set<pg.Client>(), databases: new Set<Database>() };

/** After each test: whoever still holds lets go, then those who waited can end. */
export async function letGo(): Promise<void> {
  const clients = [...open.clients];
  const databases = [...open.databases];
  open.clients.clear();
  open.databases.clear();
  await Promise.all(clients.map((client) => client.end()));
  await Promise.all(databases.map((database) => database.close()));
}

/** An open transaction of the owner that holds what others are to wait for. */
export interface Holder {
  query(text: string, values?: unknown[]): Promise<pg.QueryResult>;
  /** Lets go and undoes what it wrote. */
  rollback(): Promise<void>;
  commit(): Promise<void>;
}

export async function holder(world: EngineWorld, text: string, values: unknown[] = []): Promise<Holder> {
  const client = new pg.Client({ connectionString: world.owner.url, application_name: 'holder' });
  client.on('error', () => undefined);
  await client.connect();
  open.clients.add(client);
  await client.query('BEGIN');
  const end = async (how: 'ROLLBACK' | 'COMMIT') => {
    open.clients.delete(client);
    await client.query(how);
    await client.end();
  };
  await client.query(text, values);
  return {
    query: (more, moreValues) => client.query(more, moreValues),
    rollback: () => end('ROLLBACK'),
    commit: () => end('COMMIT'),
  };
}

/** Holds one touch's row. */
export function holdTouch(world: EngineWorld, touch: string): Promise<Holder> {
  return holder(world, 'SELECT FROM touches WHERE id = $1 FOR UPDATE', [touch]);
}

/** Any statement that writes an event waits here: after its snapshot, before its end. */
export function holdEvents(world: EngineWorld): Promise<Holder> {
  // The partitions, not the parent: a statement waits where it writes its event, not where it begins.
  const month = new Date().toISOString().slice(0, 7).replace('-', '_');
  return holder(world, `LOCK TABLE events_default, events_${month} IN SHARE MODE`);
}

/** A gate under this token waits here: after it has decided and written, before its end. */
export function holdGate(world: EngineWorld, token: string): Promise<Holder> {
  return holder(
    world,
    `INSERT INTO gates (org_id, token, worker, gated_at, lease_until, touches, open, rules)
     VALUES ($1, $2, 'holder', now(), now(), '{}', 0, '{}')`,
    [world.org, token],
  );
}

/** One connection of the application with a name of its own, to be told apart while it waits. */
export function connection(world: EngineWorld, name: string, settings = ''): Database {
  const url = new URL(world.db.url);
  if (settings !== '') url.searchParams.set('options', settings);
  const database = new Database({ url: url.href, max: 1, application_name: name });
  open.databases.add(database);
  return database;
}

/** How many connections of that name wait for a lock. */
export async function waiting(world: EngineWorld, name: string): Promise<number> {
  const [row] = await world.owner.call<{ n: number }>(sql`
    SELECT count(*)::int AS n FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = ${name} AND wait_event_type = 'Lock'`);
  return row!.n;
}

export function untilWaiting(world: EngineWorld, name: string, connections = 1): Promise<void> {
  return until(async () => (await waiting(world, name)) >= connections, `${name} to wait for a lock`);
}

/** Until it waits, or has ended without waiting: which of the two is what the test is about. */
export async function untilWaitingOrEnded(
  world: EngineWorld,
  name: string,
  running: Promise<unknown>,
): Promise<void> {
  let ended = false;
  const end = () => {
    ended = true;
  };
  running.then(end, end);
  await until(async () => ended || (await waiting(world, name)) > 0, `${name} to wait or to end`);
}

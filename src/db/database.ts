/**
 * The one door to PostgreSQL. In: `Sql` values. Out: rows. Owns the pool, transactions and the tenancy scope:
 * inside `inOrg` every statement sees one organization's rows only, because row-level security reads
 * `app.org`. Nothing but SQL may happen inside the callback (I11): no provider, no model, no file, no clock wait.
 */
import pg from 'pg';
import { isUuid, type Uuid } from '../kernel/ids.ts';
import { invariant } from '../kernel/invariant.ts';
import type { Sql } from './sql.ts';

// Large counters come as numbers: no table of ours passes 2^53.
pg.types.setTypeParser(pg.types.builtins.INT8, Number);

// biome-ignore lint/suspicious/noExplicitAny: a row's shape is the caller's statement; tests execute each one
export type Row = Record<string, any>;

export interface Tx {
  rows<R extends Row = Row>(statement: Sql): Promise<R[]>;
  /** The first row, or null. */
  maybe<R extends Row = Row>(statement: Sql): Promise<R | null>;
  one<R extends Row = Row>(statement: Sql): Promise<R>;
  /** Number of rows changed. */
  run(statement: Sql): Promise<number>;
  /** As that of the database, among other statements. */
  callPrepared(statement: Prepared, values: unknown[]): Promise<unknown[][]>;
}

export interface DatabaseOptions {
  url: string;
  /** Connections at most. */
  max?: number;
  application_name?: string;
  onError?: (error: Error) => void;
}

/** A hot statement prepared once a connection, results as arrays: [sql text, columns in order]. */
export interface Prepared {
  readonly name: string;
  readonly text: string;
}

export class Database {
  readonly pool: pg.Pool;
  readonly url: string;

  constructor(options: DatabaseOptions) {
    this.url = options.url;
    this.pool = new pg.Pool({
      connectionString: options.url,
      max: options.max ?? 8,
      application_name: options.application_name ?? 'cadenza',
      connectionTimeoutMillis: 10_000,
      idleTimeoutMillis: 30_000,
    });
    // Without a listener a broken idle connection would end the process.
    const onError = (error: Error) => options.onError?.(error);
    this.pool.on('error', onError);
    // And without this one, a connection that breaks while it is in use.
    this.pool.on('connect', (client) => client.on('error', onError));
  }

  /** One transaction that sees only this organization. The callback may run statements, nothing else. */
  async inOrg<T>(org: Uuid, work: (tx: Tx) => Promise<T>): Promise<T> {
    invariant(isUuid(org), 'an organization id is a UUID');
    // sql-from-string: SET takes no parameter, Citus no set_config(); the line above lets only a UUID through
    return this.#transaction(`BEGIN; SET LOCAL app.org = '${org}'`, work);
  }

  /** One transaction without a tenant: only directory, lanes and other tables exempt from tenancy answer. */
  async outsideOrgs<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#transaction('BEGIN', work);
  }

  async #transaction<T>(begin: string, work: (tx: Tx) => Promise<T>): Promise<T> {
    const client = await this.pool.connect();
    let broken: Error | undefined;
    try {
      await client.query(begin);
      const result = await work(txOf(client));
      await client.query('COMMIT');
      return result;
    } catch (error) {
      await client.query('ROLLBACK').catch((e: Error) => {
        broken = e;
      });
      throw error;
    } finally {
      client.release(broken);
    }
  }

  /**
   * One statement in its own transaction, in one round trip. For the functions that set the tenant themselves
   * (`gate`, `settle`, …): they take the organization as their first argument.
   */
  async call<R extends Row = Row>(statement: Sql): Promise<R[]> {
    const result = await this.pool.query<R>(statement.text, statement.values as unknown[]);
    return result.rows;
  }

  /** The same, prepared once a connection and with rows as arrays: for the few statements that run thousands of times a second. */
  async callPrepared(statement: Prepared, values: unknown[]): Promise<unknown[][]> {
    const result = await this.pool.query<unknown[]>({ ...statement, values, rowMode: 'array' });
    return result.rows;
  }

  async close(): Promise<void> {
    await this.pool.end();
  }
}

function txOf(client: pg.PoolClient): Tx {
  const query = (statement: Sql) => client.query<Row>(statement.text, statement.values as unknown[]);
  return {
    async rows<R extends Row>(statement: Sql) {
      return (await query(statement)).rows as R[];
    },
    async maybe<R extends Row>(statement: Sql) {
      return ((await query(statement)).rows[0] as R | undefined) ?? null;
    },
    async one<R extends Row>(statement: Sql) {
      const { rows } = await query(statement);
      invariant(rows.length === 1, `expected one row, got ${rows.length}`);
      return rows[0] as R;
    },
    async run(statement: Sql) {
      return (await query(statement)).rowCount ?? 0;
    },
    async callPrepared(statement: Prepared, values: unknown[]) {
      return (await client.query<unknown[]>({ ...statement, values, rowMode: 'array' })).rows;
    },
  };
}

/** PostgreSQL's error code (`23505` …) of anything thrown, or null. */
export function pgCode(error: unknown): string | null {
  return error instanceof pg.DatabaseError ? (error.code ?? null) : null;
}

/** The violated constraint's name, or null. */
export function pgConstraint(error: unknown): string | null {
  return error instanceof pg.DatabaseError ? (error.constraint ?? null) : null;
}

/** Tries the databases the environment names, and says in one line what is wrong with one; never with its password. */
import pg from 'pg';
import { type Config, ConfigError } from '../config.ts';
import { pgCode } from '../db/database.ts';

const ANSWER_MS = 10_000;

const NETWORK: Record<string, string> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the name of the host cannot be looked up',
  ENOENT: 'there is no such socket',
};

function reasonOf(error: Error & { code?: unknown }): string {
  const code = pgCode(error);
  // Class 28: the login.
  if (code?.startsWith('28')) return `the login is refused: ${error.message}`;
  if (code !== null) return error.message;
  const known = NETWORK[String(error.code)];
  if (known !== undefined) return known;
  if (/timeout/.test(error.message)) return `no PostgreSQL answers there within ${ANSWER_MS / 1_000} s`;
  if (/password must be a/.test(error.message)) return 'it asks for a password, and the URL has none';
  if (/^Connection terminated|ECONNRESET|EPIPE|invalid response|arse|SSL response/.test(error.message))
    return `what answers there is no PostgreSQL (${error.message})`;
  return error.message || String(error.code);
}

async function attempt(name: string, url: string): Promise<void> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'cadenza start',
    connectionTimeoutMillis: ANSWER_MS,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (cause) {
    const where = `${client.host}:${client.port}`;
    throw new ConfigError(`${name} (${where}) cannot be used: ${reasonOf(cause as Error)}.`, { cause });
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** @throws ConfigError naming the setting, its host and port, and the reason */
export async function assertReachable(config: Config): Promise<void> {
  if (config.database_url) await attempt('DATABASE_URL', config.database_url);
  if (config.app_database_url) await attempt('APP_DATABASE_URL', config.app_database_url);
}

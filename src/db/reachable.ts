/** Tries a database server by its URL, and says in one line what is wrong with it; never with the password. */
import pg from 'pg';
import { pgCode } from './database.ts';

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

export class Unreachable extends Error {
  override name = 'Unreachable';
}

/** @throws Unreachable naming host, port and the reason */
export async function tryServer(url: string): Promise<void> {
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
    throw new Unreachable(`(${where}) cannot be used: ${reasonOf(cause as Error)}.`, { cause });
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** `doctor`: looks at an installation from outside, says what is wrong and what to do about it. Changes nothing. */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../../config.ts';
import { Database } from '../../db/database.ts';
import { encodingProblem } from '../../db/encoding.ts';
import { migrationStatus } from '../../db/migrate.ts';
import { sql } from '../../db/sql.ts';
import { unreachableSenders } from '../../senders/reach.ts';
import { assertAppRole } from '../../tenancy/app-login.ts';
import { type Command, EXIT } from '../command.ts';
import { allOrganizations, type Installation, requireOwnerUrl, withInstallation } from '../installation.ts';

interface Diagnosis {
  name: string;
  status: 'ok' | 'warn' | 'fail';
  detail: string;
}

const POSTGRES = { min: 150_000, below: 190_000 };
const CLOCK_SKEW_MS = 2_000;

const found = (name: string, status: Diagnosis['status'], detail: string): Diagnosis => ({
  name,
  status,
  detail,
});

function node(): Diagnosis {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const good = major > 20 || (major === 20 && minor >= 19);
  return found('node', good ? 'ok' : 'fail', `Node ${process.versions.node}; 20.19 or later is needed`);
}

function secretsFile(config: Config): Diagnosis {
  const path = join(config.cadenza_data, 'secrets.json');
  if (config.cadenza_secret) return found('secrets', 'ok', 'The master secret comes from CADENZA_SECRET');
  if (!existsSync(path))
    return found('secrets', 'warn', `${path} does not exist yet; the first start makes it`);
  const others = statSync(path).mode & 0o077;
  return others === 0
    ? found('secrets', 'ok', `${path} is readable by its owner only; keep a copy of it`)
    : found('secrets', 'fail', `Others can read ${path}: chmod 600 it, and rotate the secret`);
}

interface ServerFacts {
  version: number;
  text: string;
  name: string;
  encoding: string;
  now: Date;
  fsync: string;
  commit: string;
  pages: string;
  recovering: boolean;
}

async function server(owner: Database): Promise<Diagnosis[]> {
  const before = Date.now();
  const facts = await owner.outsideOrgs((tx) =>
    tx.one<ServerFacts>(sql`
      SELECT current_setting('server_version_num')::int AS version, current_setting('server_version') AS text,
        current_database() AS name, current_setting('server_encoding') AS encoding,
        clock_timestamp() AS now, current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit,
        current_setting('full_page_writes') AS pages, pg_is_in_recovery() AS recovering`),
  );
  const middle = (before + Date.now()) / 2;
  const skew = Math.abs(facts.now.getTime() - middle);
  const supported = facts.version >= POSTGRES.min && facts.version < POSTGRES.below;
  const durable = facts.fsync === 'on' && facts.pages === 'on' && facts.commit !== 'off';
  const misread = encodingProblem(facts.name, facts.encoding);
  return [
    found('server', supported ? 'ok' : 'fail', `PostgreSQL ${facts.text}; 15 to 18 are supported`),
    found('encoding', misread === null ? 'ok' : 'fail', misread ?? 'The database is in UTF8'),
    facts.recovering
      ? found('primary', 'fail', 'This is a replica: a stop written elsewhere would be seen too late')
      : found('primary', 'ok', 'The server is a primary'),
    durable
      ? found('durability', 'ok', 'What was acknowledged survives a crash')
      : found(
          'durability',
          'fail',
          'fsync, full_page_writes or synchronous_commit is off: a crash may send twice',
        ),
    found(
      'clock',
      skew < CLOCK_SKEW_MS ? 'ok' : 'warn',
      `The server's clock and ours differ by ${Math.round(skew)} ms; the server's decides`,
    ),
  ];
}

async function migrations(url: string): Promise<Diagnosis> {
  const { pending } = await migrationStatus({ url });
  return pending.length === 0
    ? found('migrations', 'ok', 'The schema is current')
    : found('migrations', 'fail', `${pending.length} pending: run \`npx cadenza migrate\``);
}

async function isolation(db: Database): Promise<Diagnosis[]> {
  await assertAppRole(db);
  const open = await db.outsideOrgs((tx) =>
    tx.rows<{ name: string }>(sql`
      SELECT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'org_id'
      WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
        AND NOT (c.relrowsecurity AND c.relforcerowsecurity) ORDER BY 1`),
  );
  return [
    found('login', 'ok', 'The application logs in as a role that row-level security binds'),
    open.length === 0
      ? found('isolation', 'ok', 'Row-level security is forced on every table of an organization')
      : found('isolation', 'fail', `Not forced on: ${open.map((row) => row.name).join(', ')}`),
  ];
}

/** Of all organizations: which providers nobody could reach. */
async function senders(installation: Installation): Promise<Diagnosis> {
  const lost: string[] = [];
  for (const { id, name } of await allOrganizations(installation))
    for (const one of await installation.db.inOrg(id, (tx) => unreachableSenders(tx, id)))
      lost.push(`${one.name} of ${name} since ${one.since.toISOString()}: ${one.reason}`);
  return lost.length === 0
    ? found('senders', 'ok', 'Every provider that was tried answered')
    : found('senders', 'fail', `Cannot connect, so what they are to send waits: ${lost.join('; ')}`);
}

async function attempt(name: string, look: () => Promise<Diagnosis[]>): Promise<Diagnosis[]> {
  try {
    return await look();
  } catch (error) {
    return [found(name, 'fail', (error as Error).message || String(error))];
  }
}

async function database(config: Config): Promise<Diagnosis[]> {
  const url = requireOwnerUrl(config);
  const owner = new Database({ url, max: 1, application_name: 'cadenza doctor' });
  try {
    const facts = await server(owner);
    const schema = await migrations(url);
    const asApp =
      schema.status === 'ok'
        ? await attempt('login', () =>
            withInstallation(config, async (installation) => [
              ...(await isolation(installation.db)),
              await senders(installation),
            ]),
          )
        : [];
    return [...facts, schema, ...asApp];
  } finally {
    await owner.close();
  }
}

const SIGN = { ok: 'ok  ', warn: 'warn', fail: 'FAIL' } as const;

export const doctor: Command = {
  about:
    'Changes nothing but the login of the application, if it does not work. Exit code 1 when something fails.',
  async run(call) {
    const checks = [
      node(),
      secretsFile(call.config),
      ...(await attempt('database', () => database(call.config))),
    ];
    const failed = checks.some((one) => one.status === 'fail');
    const text = checks
      .map(({ name, status, detail }) => `${SIGN[status]}  ${name.padEnd(11)} ${detail}`)
      .join('\n');
    call.result({ status: failed ? 'fail' : 'ok', checks }, text);
    return failed ? EXIT.failed : EXIT.ok;
  },
};

/**
 * The only reader of the environment. In: environment variables and the data directory. Out: one validated `Config`.
 * Also owns the two files other processes of this installation find there: `secrets.json`, made at the first start,
 * and `run.json`, which says where a running `cadenza up` is.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { makeDirectory } from './data-directory.ts';

const SECRET_MIN_LENGTH = 32;
const MB = 1024 * 1024;

const postgresUrl = z
  .string()
  .refine((text) => /^postgres(ql)?:\/\//.test(text) && URL.canParse(text), 'must be a postgres:// URL');
const httpUrl = z
  .string()
  .refine((text) => /^https?:\/\//.test(text) && URL.canParse(text), 'must be an http(s):// URL')
  .transform((text) => text.replace(/\/+$/, ''));
const wholeNumber = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(min, `must be ${min} or more`).max(max, `must be ${max} or less`));
const yesNo = z.enum(['true', 'false'], 'must be true or false').transform((text) => text === 'true');
const secretList = z
  .string()
  .transform((text) => text.split(',').map((one) => one.trim()))
  .refine(
    (list) => list.every((one) => one.length >= SECRET_MIN_LENGTH),
    `must be secrets of at least ${SECRET_MIN_LENGTH} characters, separated by commas, newest first`,
  );

const hostList = z
  .string()
  .transform((text) => text.split(',').map((one) => one.trim()))
  .refine(
    (list) => list.every((one) => /^[A-Za-z0-9.:-]+(\/\d{1,3})?$/.test(one)),
    'must be host names, addresses or networks such as 10.0.0.0/8, separated by commas',
  );

interface Setting<T> {
  schema: z.ZodType<T, string>;
  /** As it would stand in the environment; undefined: not set. */
  fallback: string | undefined;
  about: string;
}

const setting = <T>(schema: z.ZodType<T, string>, fallback: string, about: string) => ({
  schema,
  fallback,
  about,
});
const optional = <T>(schema: z.ZodType<T, string>, about: string): Setting<T | undefined> => ({
  schema,
  fallback: undefined,
  about,
});

/** Every setting, in the order of docs/configuration.md. */
export const SETTINGS = {
  PORT: setting(
    wholeNumber(0, 65_535),
    '3000',
    'Port of the API and the console. 0 takes a free one; a separate `cadenza worker` then needs `PUBLIC_URL`, or the data directory of a running `cadenza up`.',
  ),
  HOST: setting(z.string().min(1), '127.0.0.1', 'Address to listen on. `0.0.0.0` opens it to the network.'),
  PUBLIC_URL: optional(
    httpUrl,
    'Where recipients reach this installation: unsubscribe links begin with it. Without it, `http://HOST:PORT`.',
  ),
  CADENZA_DATA: setting(
    z
      .string()
      .min(1)
      .transform((path) => resolve(path)),
    '.cadenza',
    'Directory of the generated secrets, the embedded database and the sandbox.',
  ),
  DATABASE_URL: optional(
    postgresUrl,
    'Your own PostgreSQL (15 to 18), as the owner of the database, with CREATEROLE: migrates and makes the login of the application. Without it, `cadenza up` starts an embedded one.',
  ),
  APP_DATABASE_URL: optional(
    postgresUrl,
    'The login of the application, when you make it yourself: a member of `cadenza_app`, no superuser, owner of nothing.',
  ),
  CADENZA_SECRET: optional(
    secretList,
    `The master secret, at least ${SECRET_MIN_LENGTH} characters. To rotate it, put the new one in front and keep the old one behind a comma. Without it, one is generated in \`CADENZA_DATA/secrets.json\`.`,
  ),
  PRIVATE_HOSTS: optional(
    hostList,
    'What senders and webhook steps may reach although it is not public: host names, addresses, networks such as `10.0.0.0/8`, separated by commas. Also over http. `127.0.0.1` for sandboxes on this machine. Without it: the public internet over https alone. SMTP servers too, which need no encryption for it. The built-in inbox needs no entry.',
  ),
  LOG_LEVEL: setting(
    z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']),
    'info',
    'Least severe log lines to write: `fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`.',
  ),
  TRUST_PROXY: setting(
    yesNo,
    'false',
    '`true` behind a reverse proxy that sets X-Forwarded-For; the address of callers comes from it then.',
  ),
  RATE_LIMIT_PER_MINUTE: setting(
    wholeNumber(1, 1_000_000),
    '600',
    'Requests an API key may make in a minute.',
  ),
  BODY_LIMIT_BYTES: setting(wholeNumber(1_024, 64 * MB), String(MB), 'Largest JSON body.'),
  UPLOAD_LIMIT_BYTES: setting(wholeNumber(1_024, 4_096 * MB), String(512 * MB), 'Largest uploaded file.'),
  API_CONNECTIONS: setting(wholeNumber(1, 200), '8', 'Database connections of an API process at most.'),
  WORKERS: setting(wholeNumber(0, 64), '1', 'Workers that `cadenza up` runs.'),
  WORKER_CONNECTIONS: setting(wholeNumber(1, 64), '4', 'Database connections of a worker at most.'),
  WORKER_IN_FLIGHT: setting(wholeNumber(1, 10_000), '500', 'Touches a worker has in progress at most.'),
  WORKER_LANE_LEASE_MS: setting(
    wholeNumber(300, 600_000),
    '15000',
    'After this long without a sign of life a worker loses its lane to another, in milliseconds.',
  ),
  WORKER_BUDGET_MS: setting(
    wholeNumber(50, 60_000),
    '2000',
    'From the point of no return to the provider call, in milliseconds; what has not begun by then is handed back.',
  ),
  WORKER_CALL_TIMEOUT_MS: setting(
    wholeNumber(100, 600_000),
    '30000',
    'Hard limit of one provider call, in milliseconds.',
  ),
  WORKER_LEASE_MARGIN_MS: setting(
    wholeNumber(0, 600_000),
    '5000',
    'Added to the two above before a message without an outcome counts as unknown, in milliseconds.',
  ),
  WORKER_LOOKUP_GAP_MS: setting(
    wholeNumber(10, 3_600_000),
    '60000',
    'Between the two looks at a provider that must both find nothing before a message is sent again, in milliseconds. Longer than any pause of a process or connection.',
  ),
  DRAFTING_URL: optional(
    httpUrl,
    'A language model that drafts the steps people do: any server with the chat completions of OpenAI, up to and with `/v1`. It is told names, company, title and attributes of contacts, no addresses. Without it, the template is the draft.',
  ),
  DRAFTING_MODEL: setting(z.string().min(1).max(200), 'default', 'The name of its model.'),
  DRAFTING_API_KEY: optional(z.string().min(1), 'The key it asks for.'),
  DRAFTING_TIMEOUT_MS: setting(
    wholeNumber(100, 120_000),
    '20000',
    'How long a draft may take before it is the template after all, in milliseconds.',
  ),
  DRAFTING_DAILY_TOKENS: setting(
    wholeNumber(0, 1_000_000_000),
    '200000',
    'Tokens an organization may use on one of its days; then the template is the draft.',
  ),
  WORKER_POLL_MS: setting(
    wholeNumber(10, 60_000),
    '1000',
    'How often a worker looks for work that no notification told it of, in milliseconds.',
  ),
} as const satisfies Record<string, Setting<unknown>>;

type Settings = typeof SETTINGS;
/** One member a setting, named as it is but in lower case: `config.port`. */
export type Config = {
  readonly [K in keyof Settings as Lowercase<K>]: Settings[K] extends {
    schema: z.ZodType<infer T, string>;
    fallback: infer F;
  }
    ? F extends string
      ? T
      : T | undefined
    : never;
};

export class ConfigError extends Error {
  override name = 'ConfigError';
}

/** @throws ConfigError naming every bad setting */
export function loadConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const config: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const [name, { schema, fallback }] of Object.entries<Setting<unknown>>(SETTINGS)) {
    // An empty variable is how a shell or a compose file says "not set".
    const text = env[name] || fallback;
    if (text === undefined) continue;
    const result = schema.safeParse(text);
    if (result.success) config[name.toLowerCase()] = result.data;
    else problems.push(`${name}: ${result.error.issues.map((issue) => issue.message).join('; ')}`);
  }
  if (problems.length > 0)
    throw new ConfigError(`The configuration is not valid.\n  ${problems.join('\n  ')}`);
  return config as unknown as Config;
}

/** Makes the data directory, closed to others. @throws ConfigError */
export function dataDirectory(config: Pick<Config, 'cadenza_data'>): string {
  const path = config.cadenza_data;
  const problem = makeDirectory(path);
  if (problem !== null)
    throw new ConfigError(
      `CADENZA_DATA (${path}) cannot be used: ${problem}. Set CADENZA_DATA to a directory that this user may make or write to.`,
    );
  return path;
}

const secretsFile = z.object({ master: z.array(z.string().min(SECRET_MIN_LENGTH)).min(1) });

function readSecrets(path: string): string[] {
  try {
    return secretsFile.parse(JSON.parse(readFileSync(path, 'utf8'))).master;
  } catch (cause) {
    throw new ConfigError(
      `${path} cannot be read; restore it from a backup: what it sealed opens with nothing else`,
      {
        cause,
      },
    );
  }
}

/** The master secrets, newest first: from the environment, or the file, which the first start makes. */
export function masterSecrets(config: Pick<Config, 'cadenza_data' | 'cadenza_secret'>): string[] {
  if (config.cadenza_secret) return config.cadenza_secret;
  const path = join(dataDirectory(config), 'secrets.json');
  if (!existsSync(path)) {
    const draft = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
    const secrets = { master: [randomBytes(32).toString('base64url')] };
    writeFileSync(draft, `${JSON.stringify(secrets)}\n`, { mode: 0o600, flag: 'wx' });
    try {
      // Of two first starts at once one link is made; the other process reads it.
      linkSync(draft, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      rmSync(draft);
    }
  }
  chmodSync(path, 0o600);
  return readSecrets(path);
}

const runFile = z.object({
  pid: z.number().int(),
  port: z.number().int(),
  /** The owner's. */
  database_url: z.string(),
  app_database_url: z.string(),
});

/** What a running `cadenza up` tells the commands of the same data directory. */
export type Run = z.infer<typeof runFile>;

const runPath = (config: Pick<Config, 'cadenza_data'>) => join(config.cadenza_data, 'run.json');

export function writeRun(config: Pick<Config, 'cadenza_data'>, run: Run): void {
  const path = join(dataDirectory(config), 'run.json');
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, `${JSON.stringify(run)}\n`, { mode: 0o600 });
  renameSync(draft, path);
}

/** Removes the note, if it is this process's own. */
export function removeRun(config: Pick<Config, 'cadenza_data'>): void {
  if (readNote(config)?.pid === process.pid) rmSync(runPath(config), { force: true });
}

function readNote(config: Pick<Config, 'cadenza_data'>): Run | null {
  try {
    return runFile.parse(JSON.parse(readFileSync(runPath(config), 'utf8')));
  } catch {
    return null;
  }
}

/** The running `cadenza up` of this data directory; null when there is none, or only the note of a dead one. */
export function readRun(config: Pick<Config, 'cadenza_data'>): Run | null {
  const run = readNote(config);
  if (run === null) return null;
  try {
    process.kill(run.pid, 0);
    return run;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? run : null;
  }
}

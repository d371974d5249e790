/** A running server for HTTP tests: its own database, the application login, two organizations with keys. */
import { randomBytes } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { type Logger, pino } from 'pino';
import type { ApiDeps } from '../../src/api/deps.ts';
import type { HealthCheck } from '../../src/api/health-check.ts';
import { buildServer } from '../../src/api/server.ts';
import { unsubscribeTokens } from '../../src/app.ts';
import type { Adapter } from '../../src/channels/channel.ts';
import { type Config, loadConfig } from '../../src/config.ts';
import { Database } from '../../src/db/database.ts';
import { Connections } from '../../src/dispatch/connections.ts';
import { DEFAULT_LIMITS, type Engine, type EngineLimits } from '../../src/dispatch/engine.ts';
import { VersionCache } from '../../src/plan/sequences/versions.ts';
import { decryptedConfig } from '../../src/senders/credentials.ts';
import { createApiKey } from '../../src/tenancy/api-keys.ts';
import { ensureAppLogin } from '../../src/tenancy/app-login.ts';
import type { Role } from '../../src/tenancy/context.ts';
import { createOrganization } from '../../src/tenancy/organizations.ts';
import { type Caller, SCOPES, type Scope } from '../../src/tenancy/roles.ts';
import { createSecrets } from '../../src/tenancy/secrets.ts';
import { createDatabase } from '../support/database.ts';

export interface Org {
  id: string;
  /** As its owner. */
  caller: Caller;
  key: string;
}

export interface World {
  app: FastifyInstance;
  url: string;
  db: Database;
  ownerUrl: string;
  /** The master secret of this installation. */
  secret: string;
  deps: ApiDeps;
  org: Org;
  other: Org;
  logs: Record<string, unknown>[];
  newOrg(name: string): Promise<Org>;
  newKey(org: Org, role: Role, scopes?: Scope[]): Promise<{ id: string; key: string }>;
  call(method: string, path: string, options?: CallOptions): Promise<Reply>;
  close(): Promise<void>;
}

export interface CallOptions {
  key?: string | null;
  body?: unknown;
  /** Sent as it is. */
  raw?: string | Uint8Array<ArrayBuffer>;
  headers?: Record<string, string>;
}

export interface Reply {
  status: number;
  headers: Headers;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests read whatever JSON they expect
  body: any;
}

function capture(logs: Record<string, unknown>[]): Logger {
  return pino({ level: 'info' }, { write: (text: string) => void logs.push(JSON.parse(text)) });
}

async function makeOrg(db: Database, name: string): Promise<Org> {
  const actor = { type: 'system', id: 'test', name: 'test' } as const;
  const { id } = await createOrganization(db, actor, { name });
  const caller: Caller = { org: id, actor, role: 'owner', scopes: SCOPES };
  const { key } = await createApiKey(db, caller, { name: 'owner', role: 'owner' });
  return { id, caller, key };
}

export async function setup(
  options: {
    config?: Partial<Config>;
    checks?: HealthCheck[];
    adapters?: readonly Adapter[];
    limits?: Partial<EngineLimits>;
  } = {},
): Promise<World> {
  const database = await createDatabase();
  const master = randomBytes(32).toString('base64url');
  const db = new Database({ url: await ensureAppLogin(database.ownerUrl, master), max: 8 });
  const logs: Record<string, unknown>[] = [];
  const logger = capture(logs);
  const secrets = createSecrets([master]);
  const versions = new VersionCache(db);
  const adapters = new Map((options.adapters ?? []).map((adapter) => [adapter.provider, adapter]));
  const connections = new Connections({
    adapters,
    configOf: (org, sender) => decryptedConfig(secrets, org, sender),
    onError: (error, sender) => logger.error({ error, sender_id: sender.id }, 'a sender cannot be connected'),
  });
  const engine: Engine = {
    db,
    worker: 'test:api',
    versions,
    connect: (of, sender) => connections.get(of, sender),
    unsubscribeUrl: (_org, _contact, touch) => `https://example.com/u/${touch}`,
    limits: { ...DEFAULT_LIMITS, ...options.limits },
    log: logger,
  };
  const deps: ApiDeps = {
    db,
    engine,
    config: { ...loadConfig({ RATE_LIMIT_PER_MINUTE: '100000' }), ...options.config },
    logger,
    secrets,
    versions,
    tokens: unsubscribeTokens([master]),
    sink: null,
    adapters,
    publicUrl: () => deps.config.public_url ?? url,
    checks: options.checks ?? [],
  };
  const app = await buildServer(deps);
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  const org = await makeOrg(db, 'Ours');
  const other = await makeOrg(db, 'Theirs');
  return {
    app,
    url,
    db,
    ownerUrl: database.ownerUrl,
    secret: master,
    deps,
    org,
    other,
    logs,
    newOrg: (name) => makeOrg(db, name),
    newKey: (of, role, scopes) => createApiKey(db, of.caller, { name: role, role, scopes }),
    call: (method, path, given = {}) => request(url, method, path, { key: org.key, ...given }),
    async close() {
      await app.close();
      await connections.close();
      await db.close();
      await database.drop();
    },
  };
}

export async function request(
  url: string,
  method: string,
  path: string,
  { key, body, raw, headers }: CallOptions,
): Promise<Reply> {
  const content = raw ?? (body === undefined ? undefined : JSON.stringify(body));
  const response = await fetch(url + path, {
    method,
    headers: {
      ...(key ? { authorization: `Bearer ${key}` } : {}),
      ...(content === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(content === undefined ? {} : { body: content }),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') ?? false;
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: isJson && text !== '' ? JSON.parse(text) : null,
  };
}

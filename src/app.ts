/**
 * The composition root: every part of Cadenza, put together once. In: the configuration and the application's
 * database URL. Out: an `App`, of which `serve` uses the API half, `worker` the dispatching half and `up` both.
 */
import { hkdfSync } from 'node:crypto';
import { hostname } from 'node:os';
import { type Logger, pino } from 'pino';
import { brevo } from './channels/brevo/adapter.ts';
import type { Adapter } from './channels/channel.ts';
import { networkOf, refusedBySight, within } from './channels/http/network.ts';
import { mailgun } from './channels/mailgun/adapter.ts';
import { postmark } from './channels/postmark/adapter.ts';
import { quo } from './channels/quo/adapter.ts';
import { resend } from './channels/resend/adapter.ts';
import { sandbox } from './channels/sandbox/adapter.ts';
import { besideSandbox, runSandbox, type Sandbox } from './channels/sandbox/run.ts';
import { sandboxHttp, sandboxHttpSms, sandboxHttpWhatsapp } from './channels/sandbox-http/adapter.ts';
import { sendgrid } from './channels/sendgrid/adapter.ts';
import { ses } from './channels/ses/adapter.ts';
import { smtp } from './channels/smtp/adapter.ts';
import { telegramBot } from './channels/telegram-bot/adapter.ts';
import { telnyx } from './channels/telnyx/adapter.ts';
import { twilio } from './channels/twilio/adapter.ts';
import { waha } from './channels/waha/adapter.ts';
import { webhook } from './channels/webhook/adapter.ts';
import { whatsappCloud } from './channels/whatsapp-cloud/adapter.ts';
import { type Config, masterSecrets } from './config.ts';
import { createUnsubscribeTokens, type UnsubscribeTokens } from './content/unsubscribe-token.ts';
import { Database } from './db/database.ts';
import { Connections } from './dispatch/connections.ts';
import { DEFAULT_LIMITS, type Engine } from './dispatch/engine.ts';
import { VersionCache } from './plan/sequences/versions.ts';
import { decryptedConfig } from './senders/credentials.ts';
import { assertAppRole } from './tenancy/app-login.ts';
import { assertInstallation } from './tenancy/installation.ts';
import { createSecrets, type Secrets } from './tenancy/secrets.ts';

export const ADAPTERS: readonly Adapter[] = [
  smtp,
  resend,
  postmark,
  sendgrid,
  mailgun,
  brevo,
  ses,
  twilio,
  telnyx,
  quo,
  whatsappCloud,
  waha,
  telegramBot,
  webhook,
  sandbox,
  sandboxHttp,
  sandboxHttpSms,
  sandboxHttpWhatsapp,
];

export interface App {
  config: Config;
  logger: Logger;
  db: Database;
  secrets: Secrets;
  tokens: UnsubscribeTokens;
  versions: VersionCache;
  connections: Connections;
  adapters: ReadonlyMap<string, Adapter>;
  /** As in `AppOptions`. */
  publicUrl: () => string;
  /** What the dispatcher of this process is given. */
  engine: Engine;
  close(): Promise<void>;
}

export interface AppOptions {
  appUrl: string;
  /** Connections at most. */
  connections: number;
  /** Where recipients reach this installation, without a slash at the end; asked for at each link. */
  publicUrl: () => string;
  logger?: Logger;
  name: string;
}

export function createLogger(config: Pick<Config, 'log_level'>, name: string): Logger {
  return pino({
    name,
    level: config.log_level,
    redact: ['*.password', '*.secret', '*.token', '*.authorization', '*.private_key'],
  });
}

/** @throws AppRoleRefused when the login could pass row-level security, OtherInstallation */
export async function openApp(config: Config, options: AppOptions): Promise<App> {
  const logger = options.logger ?? createLogger(config, options.name);
  const masters = masterSecrets(config);
  const secrets = createSecrets(masters);
  const tokens = unsubscribeTokens(masters);
  const network = networkOf(config.private_hosts ?? []);
  const ours = besideSandbox(network, config.cadenza_data);
  const adapters = new Map(
    ADAPTERS.map((adapter) => [adapter.provider, within(adapter === sandbox ? ours : network, adapter)]),
  );
  const db = new Database({
    url: options.appUrl,
    max: options.connections,
    application_name: options.name,
    onError: (error) => logger.warn({ error }, 'a database connection was lost'),
  });
  try {
    await assertAppRole(db);
    await assertInstallation(db, masters);
  } catch (error) {
    // Its idle connections would keep a process that gives up alive.
    await db.close();
    throw error;
  }
  const versions = new VersionCache(db);
  const connections = new Connections({
    adapters,
    configOf: (org, sender) => decryptedConfig(secrets, org, sender),
    onError: (error, sender) => logger.error({ error, sender_id: sender.id }, 'a sender cannot be connected'),
  });
  const engine: Engine = {
    db,
    worker: `${hostname()}:${process.pid}`,
    versions,
    connect: (org, sender) => connections.get(org, sender),
    unsubscribeUrl: (org_id, contact_id, touch_id, channel) =>
      `${options.publicUrl()}/u/${tokens.sign({ org_id, contact_id, touch_id, channel })}`,
    limits: {
      ...DEFAULT_LIMITS,
      touches_in_flight: config.worker_in_flight,
      batch: Math.min(DEFAULT_LIMITS.batch, config.worker_in_flight),
      lane_lease_ms: config.worker_lane_lease_ms,
      budget_ms: config.worker_budget_ms,
      call_timeout_ms: config.worker_call_timeout_ms,
      lease_margin_ms: config.worker_lease_margin_ms,
      lookup_gap_ms: config.worker_lookup_gap_ms,
    },
    log: logger,
  };
  return {
    config,
    logger,
    db,
    secrets,
    tokens,
    versions,
    connections,
    adapters,
    publicUrl: options.publicUrl,
    engine,
    async close() {
      await connections.close();
      await db.close();
    },
  };
}

/** What can be told of a URL beforehand: in words why it may not be called from here, or null. */
export function destinationsOf({
  private_hosts,
}: Pick<Config, 'private_hosts'>): (url: string) => string | null {
  const network = networkOf(private_hosts ?? []);
  return (url) => refusedBySight(network, url);
}

/** One signing key a master secret; the oldest is version 1, so links in old mail go on working after a rotation. */
export function unsubscribeTokens(masters: readonly string[]): UnsubscribeTokens {
  return createUnsubscribeTokens(
    masters.map((master, i) => ({
      version: masters.length - i,
      secret: new Uint8Array(hkdfSync('sha256', master, '', 'cadenza unsubscribe links', 32)),
    })),
  );
}

export type { Sandbox };

/** The built-in inbox and its look-up, for `cadenza up`. */
export function openSandbox(
  config: Pick<Config, 'cadenza_data'>,
  note: (line: string) => void,
): Promise<Sandbox> {
  return runSandbox(config.cadenza_data, note);
}

/** What the HTTP layer is given by the composition root. */
import type { Logger } from 'pino';
import type { Sandbox } from '../app.ts';
import type { Adapter } from '../channels/channel.ts';
import type { Config } from '../config.ts';
import type { UnsubscribeTokens } from '../content/unsubscribe-token.ts';
import type { Database } from '../db/database.ts';
import type { Engine } from '../dispatch/engine.ts';
import type { VersionCache } from '../plan/sequences/versions.ts';
import type { Secrets } from '../tenancy/secrets.ts';
import type { HealthCheck } from './health-check.ts';

export interface ApiDeps {
  db: Database;
  config: Config;
  logger: Logger;
  secrets: Secrets;
  /** Of the providers this process knows, by `senders.provider`. */
  adapters: ReadonlyMap<string, Adapter>;
  /** Where this installation is reached; asked for at each link, because a port of 0 is known once it listens. */
  publicUrl: () => string;
  versions: VersionCache;
  tokens: UnsubscribeTokens;
  /** For what people send themselves: the dispatcher's own. */
  engine: Engine;
  /** The sink of `cadenza up`; null in a process that has none. */
  sink: Sandbox['sink'] | null;
  /** What `/api/health` runs; each module registers its own. */
  checks: HealthCheck[];
}

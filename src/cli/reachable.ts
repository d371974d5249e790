/** Tries the databases that the environment names, before anything is started. */
import { type Config, ConfigError } from '../config.ts';
import { tryServer } from '../db/reachable.ts';

async function attempt(name: string, url: string): Promise<void> {
  try {
    await tryServer(url);
  } catch (cause) {
    throw new ConfigError(`${name} ${(cause as Error).message}`, { cause });
  }
}

/** @throws ConfigError naming the setting, its host and port, and the reason */
export async function assertReachable(config: Config): Promise<void> {
  if (config.database_url) await attempt('DATABASE_URL', config.database_url);
  if (config.app_database_url) await attempt('APP_DATABASE_URL', config.app_database_url);
}

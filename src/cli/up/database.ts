/** The database of `cadenza up`: yours by DATABASE_URL, or an embedded one in the data directory; migrated. */
import { join } from 'node:path';
import type { Config } from '../../config.ts';
import { startEmbedded } from '../../db/embedded/launcher.ts';
import { migrate } from '../../db/migrate.ts';
import { ensureAppLogin } from '../../tenancy/app-login.ts';
import { counted } from '../plural.ts';

export interface UpDatabase {
  ownerUrl: string;
  appUrl: string;
  embedded: boolean;
  /** Called when an embedded server has ended by itself so often that it is given up. */
  onExit(callback: () => void): void;
  stop(): Promise<void>;
}

export async function openDatabase(
  config: Config,
  masters: readonly string[],
  note: (line: string) => void,
): Promise<UpDatabase> {
  const server = config.database_url
    ? null
    : await startEmbedded({ dataDir: join(config.cadenza_data, 'postgres'), log: note, revive: true });
  const ownerUrl = config.database_url ?? server!.url;
  try {
    const { applied } = await migrate({ url: ownerUrl });
    if (applied.length > 0) note(`database migrated (${counted(applied.length, 'file')})`);
    return {
      ownerUrl,
      appUrl: config.app_database_url ?? (await ensureAppLogin(ownerUrl, masters)),
      embedded: server !== null,
      onExit: (callback) => server?.onExit(callback),
      stop: async () => server?.stop(),
    };
  } catch (error) {
    await server?.stop();
    throw error;
  }
}

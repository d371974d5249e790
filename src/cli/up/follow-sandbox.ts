/**
 * The sandbox listens elsewhere when somebody else has its port at a start. The sender that the demo made follows it: it is
 * ours, and nobody knows that it has an address. A sender that a person made is left as that person made it. Which one is
 * the demo's is kept in `demo.json` of the data directory; that it still speaks to this sandbox, its token says.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { App, Sandbox } from '../../app.ts';
import { type Config, dataDirectory } from '../../config.ts';
import { updateSender } from '../../senders/change.ts';
import { decryptedConfig } from '../../senders/credentials.ts';
import { senderSettings } from '../../senders/senders.ts';
import { callerFor } from '../installation.ts';

const demoFile = z.object({ organization_id: z.string(), sender_ids: z.array(z.string()) });
type DemoFile = z.infer<typeof demoFile>;

const pathOf = (config: Config) => join(dataDirectory(config), 'demo.json');

export function rememberDemo(config: Config, made: DemoFile): void {
  writeFileSync(pathOf(config), `${JSON.stringify(made)}\n`, { mode: 0o600 });
}

/** Before anything is sent. What cannot be followed is told, and keeps nothing else from starting. */
export async function followSandbox(app: App, sandbox: Sandbox, note: (line: string) => void): Promise<void> {
  const path = pathOf(app.config);
  if (!existsSync(path)) return;
  try {
    const { organization_id, sender_ids } = demoFile.parse(JSON.parse(readFileSync(path, 'utf8')));
    for (const id of sender_ids) await followWith(app, sandbox, organization_id, id, note);
  } catch (error) {
    note(`the demo's sender could not follow the sandbox: ${(error as Error).message}`);
  }
}

async function followWith(
  { db, secrets, adapters }: App,
  { config: now }: Sandbox,
  org: string,
  id: string,
  note: (line: string) => void,
): Promise<void> {
  const sender = await senderSettings(db, org, id);
  if (sender?.provider !== 'sandbox' || sender.status === 'archived') return;
  const had = decryptedConfig(secrets, org, sender);
  if (had['lookup_token'] !== now.lookup_token) return;
  if (had['host'] === now.host && had['port'] === now.port && had['lookup_url'] === now.lookup_url) return;
  await updateSender(db, secrets, adapters, callerFor(org), id, { config: now });
  note(`the sender ${sender.name} of the demo follows it to port ${now.port}`);
}

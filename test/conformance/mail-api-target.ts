/** The sandbox as the world of the suite for e-mail APIs: one account of one provider, and what it truly accepted. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Adapter, Connection } from '../../src/channels/channel.ts';
import type { Accepted, ProviderName } from '../../src/channels/sandbox-mail/message.ts';
import { type MailSandbox, startMailSandbox } from '../../src/channels/sandbox-mail/server.ts';
import type { EmailMessage } from '../../src/kernel/message.ts';
import { until } from '../support/until.ts';

export interface MailApiTarget {
  adapter: Adapter;
  provider: ProviderName;
  sandbox: MailSandbox;
  /** A connection to the account; closed after the test. */
  connect(more?: Record<string, unknown>): Connection<EmailMessage>;
  /** What the account accepted for this touch, once nothing more can be. */
  accepted(touch: string): Promise<Accepted[]>;
  afterEach(): Promise<void>;
  stop(): Promise<void>;
}

export async function startTarget(adapter: Adapter, provider: ProviderName): Promise<MailApiTarget> {
  const dir = await mkdtemp(join(tmpdir(), 'cadenza-mail-api-'));
  const sandbox = await startMailSandbox({ dir });
  const open: Connection[] = [];
  return {
    adapter,
    provider,
    sandbox,
    connect(more = {}) {
      const connection = adapter.connect(adapter.config.parse({ ...sandbox.config(provider), ...more }));
      open.push(connection);
      return connection;
    },
    async accepted(touch) {
      await until(() => sandbox.busy() === 0, 'the sandbox to be idle');
      return sandbox.accounts[provider].messages.filter((message) => message.touch_id === touch);
    },
    async afterEach() {
      sandbox.plan({});
      await Promise.all(open.splice(0).map((connection) => connection.close()));
    },
    async stop() {
      await sandbox.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

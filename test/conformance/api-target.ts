/** The sandbox as the world of a suite for provider APIs: one account of one provider, and what it truly accepted. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Adapter, Connection, SendRequest } from '../../src/channels/channel.ts';
import type { Accepted, ProviderName } from '../../src/channels/sandbox-api/message.ts';
import { type ApiSandbox, startApiSandbox } from '../../src/channels/sandbox-api/server.ts';
import { newId } from '../../src/kernel/ids.ts';
import type { EmailMessage, Message } from '../../src/kernel/message.ts';
import { until } from '../support/until.ts';

const TIMEOUT_MS = 15_000;

/** `make` is given the touch, for a message that names it. */
export function requestOf<M extends Message>(
  make: (touch: string) => M,
  timeout_ms = TIMEOUT_MS,
): SendRequest<M> {
  const touch_id = newId();
  return { touch_id, idempotency_key: `${touch_id}.1`, timeout_ms, message: make(touch_id) };
}

export interface ApiTarget<M extends Message> {
  adapter: Adapter;
  provider: ProviderName;
  sandbox: ApiSandbox;
  /** A connection to the account; closed after the test. */
  connect(more?: Record<string, unknown>): Connection<M>;
  /** What the account accepted for this touch, once nothing more can be. */
  accepted(touch: string): Promise<Accepted[]>;
  afterEach(): Promise<void>;
  stop(): Promise<void>;
}

export type MailApiTarget = ApiTarget<EmailMessage>;

export async function startTarget<M extends Message>(
  adapter: Adapter,
  provider: ProviderName,
): Promise<ApiTarget<M>> {
  const dir = await mkdtemp(join(tmpdir(), 'cadenza-api-'));
  const sandbox = await startApiSandbox({ dir });
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
      return sandbox.accounts[provider].messages.filter(
        // Where nothing of ours goes along, the text of a test's message names its touch.
        (message) => message.touch_id === touch || message.text?.includes(touch),
      );
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

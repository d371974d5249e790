/** A lost answer of each kind of e-mail API, from the enrollment to the truth: real engine, real database, the sandbox. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { brevo } from '../../src/channels/brevo/adapter.ts';
import type { Adapter, Connection } from '../../src/channels/channel.ts';
import { postmark } from '../../src/channels/postmark/adapter.ts';
import { resend } from '../../src/channels/resend/adapter.ts';
import type { ProviderName } from '../../src/channels/sandbox-api/message.ts';
import { type ApiSandbox, startApiSandbox } from '../../src/channels/sandbox-api/server.ts';
import { sendgrid } from '../../src/channels/sendgrid/adapter.ts';
import { sql } from '../../src/db/sql.ts';
import { deliverNow } from '../support/deliver-now.ts';
import type { EngineWorld } from '../support/engine.ts';
import { enrolled, touchRow } from '../support/touches.ts';
import { until } from '../support/until.ts';
import { worlds } from '../support/worlds.ts';

const worldOf = worlds();
let world: EngineWorld;
let dir: string;
let sandbox: ApiSandbox;
let connection: Connection;

beforeEach(async () => {
  world = worldOf();
  dir = await mkdtemp(join(tmpdir(), 'cadenza-mail-apis-'));
  sandbox = await startApiSandbox({ dir });
});
afterEach(async () => {
  await connection.close();
  await sandbox.stop();
  await rm(dir, { recursive: true, force: true });
});

function engineOver(adapter: Adapter, provider: ProviderName) {
  connection = adapter.connect(adapter.config.parse(sandbox.config(provider)));
  return world.newEngine({ provider: connection, limits: { lookup_gap_ms: 50 } });
}

async function wasUnknown(touch: string): Promise<boolean> {
  const rows = await world.owner.call(
    sql`SELECT 1 FROM events WHERE touch_id = ${touch}::uuid AND type = 'unknown'`,
  );
  return rows.length > 0;
}

/** Works and waits until the touch is where it is expected. */
async function worked(engine: EngineWorld['engine'], touch: string, wanted: Record<string, unknown>) {
  await until(async () => {
    await deliverNow(world, engine);
    const row = await touchRow(world, touch);
    return Object.entries(wanted).every(([key, value]) => (row as Record<string, unknown>)[key] === value);
  }, JSON.stringify(wanted));
}

describe('an answer that was lost after the provider took the message', () => {
  it.each([
    ['resend', resend, 'K, by the same key'],
    ['postmark', postmark, 'L, by asking'],
    ['brevo', brevo, 'K, by a key that is refused and then asked for'],
  ] as const)('[EXE-5] [EXE-6] $0: found out, and sent once ($2)', async (provider, adapter, _how) => {
    const engine = engineOver(adapter, provider);
    const { touches } = await enrolled(world);
    const [touch] = touches as [string];
    // Look-ups lag: what is not there yet must not be taken for never sent.
    sandbox.plan({
      faults: [{ fault: 'cut_after', times: 1 }],
      lookup_delay_ms: provider === 'brevo' ? 300 : 0,
    });
    await deliverNow(world, engine);
    await worked(engine, touch, { state: 'sent' });
    expect(await wasUnknown(touch)).toBe(true);
    const { messages } = sandbox.accounts[provider];
    expect(messages).toHaveLength(1);
    const [message] = messages;
    expect(message).toMatchObject({ touch_id: touch, touch_key: `${touch}.1` });
    expect(message!.headers['List-Unsubscribe']).toContain(`https://example.com/u/${touch}`);
    expect(message!.headers['List-Unsubscribe-Post']).toBe('List-Unsubscribe=One-Click');
  });

  it('[EXE-5] sendgrid: a person is asked, and nothing is sent again', async () => {
    const engine = engineOver(sendgrid, 'sendgrid');
    const { touches } = await enrolled(world);
    const [touch] = touches as [string];
    sandbox.plan({ faults: [{ fault: 'gateway_after', times: 1 }] });
    await deliverNow(world, engine);
    await worked(engine, touch, { state: 'unknown', needs_review: true });
    expect(sandbox.accounts.sendgrid.messages).toHaveLength(1);
  });
});

describe('an answer that was lost before the provider took the message', () => {
  it.each([
    ['resend', resend],
    ['postmark', postmark],
    ['brevo', brevo],
  ] as const)('[EXE-5] [EXE-6] %s: found out, and sent once', async (provider, adapter) => {
    const engine = engineOver(adapter, provider);
    const { touches } = await enrolled(world);
    const [touch] = touches as [string];
    sandbox.plan({ faults: [{ fault: 'cut_before', times: 1 }] });
    await deliverNow(world, engine);
    await worked(engine, touch, { state: 'sent' });
    expect(await wasUnknown(touch)).toBe(true);
    expect(sandbox.accounts[provider].messages).toHaveLength(1);
  });
});

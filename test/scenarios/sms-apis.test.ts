/** Texts over a provider's API, from the enrollment to what the provider took: real engine, real database, the sandbox. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Adapter, Connection } from '../../src/channels/channel.ts';
import { quo } from '../../src/channels/quo/adapter.ts';
import type { SmsProviderName } from '../../src/channels/sandbox-api/message.ts';
import { type ApiSandbox, startApiSandbox } from '../../src/channels/sandbox-api/server.ts';
import { telnyx } from '../../src/channels/telnyx/adapter.ts';
import { twilio } from '../../src/channels/twilio/adapter.ts';
import { sql } from '../../src/db/sql.ts';
import type { Engine } from '../../src/dispatch/engine.ts';
import { addSender, people } from '../support/channels.ts';
import { deliverNow } from '../support/deliver-now.ts';
import type { EngineWorld } from '../support/engine.ts';
import { enrollmentRow, story, touchRow } from '../support/touches.ts';
import { worlds } from '../support/worlds.ts';

const worldOf = worlds();
let world: EngineWorld;
let dir: string;
let sandbox: ApiSandbox;
let connection: Connection;
let engine: Engine;

beforeEach(async () => {
  world = worldOf();
  dir = await mkdtemp(join(tmpdir(), 'cadenza-sms-apis-'));
  sandbox = await startApiSandbox({ dir });
});
afterEach(async () => {
  await connection.close();
  await sandbox.stop();
  await rm(dir, { recursive: true, force: true });
});

const SMS = { channel: 'sms', body_text: 'Hi {{ contact.first_name }}' };

/** People of a sequence of two texts, a day apart. */
async function enrolled(adapter: Adapter, provider: SmsProviderName, count: number) {
  connection = adapter.connect(adapter.config.parse(sandbox.config(provider)));
  engine = world.newEngine({ provider: connection });
  const sender = await addSender(world, 'sms');
  const steps = [SMS, { ...SMS, delay: { amount: 1, unit: 'days' } }];
  const sequence = await world.sequence({ sender_ids: [sender], steps });
  return world.enroll(sequence, await people(world, count));
}

describe.each<[SmsProviderName, Adapter]>([
  ['twilio', twilio],
  ['telnyx', telnyx],
  ['quo', quo],
])('texts over %s', (provider, adapter) => {
  it('[SEQ-1] [CON-8] arrive; who told the provider to stop is suppressed, and nobody else is', async () => {
    const [one, gone, three] = await enrolled(adapter, provider, 3);
    await sandbox.optOut(provider, '+14155552002');
    await deliverNow(world, engine);
    const taken = sandbox.accounts[provider].messages;
    expect(taken.map(({ to, from, text }) => `${from} ${to} ${text}`).sort()).toEqual([
      '+14155550100 +14155552001 Hi Person 1',
      '+14155550100 +14155552003 Hi Person 3',
    ]);
    for (const id of [one!, three!]) expect(await story(world, id)).toEqual(['0.1 sent', '1.1 planned']);
    expect(await enrollmentRow(world, gone!)).toMatchObject({ status: 'unsubscribed' });
    expect(await story(world, gone!)).toEqual(['0.1 failed']);
    const suppressed = await world.owner.call(
      sql`SELECT kind, address, reason, source FROM suppressions WHERE org_id = ${world.org}::uuid`,
    );
    expect(suppressed).toEqual([
      { kind: 'phone', address: '+14155552002', reason: 'unsubscribe', source: 'opted_out' },
    ]);
  });

  it('[EXE-5] an answer that was lost is a touch that waits for a person, never a second text', async () => {
    const [id] = await enrolled(adapter, provider, 1);
    sandbox.plan({ faults: [{ fault: 'cut_after' }] });
    await deliverNow(world, engine);
    await deliverNow(world, engine);
    expect(sandbox.accounts[provider].messages).toHaveLength(1);
    const touch = await touchRow(world, (await enrollmentRow(world, id!)).live_touch);
    expect(touch).toMatchObject({ state: 'unknown', needs_review: true });
  });
});

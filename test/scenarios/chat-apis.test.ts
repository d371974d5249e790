/** Chats and webhooks over their providers' APIs, from the enrollment to what the provider took: real engine, real database. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Adapter, Connection } from '../../src/channels/channel.ts';
import type { ChatProviderName } from '../../src/channels/sandbox-api/message.ts';
import { type ApiSandbox, startApiSandbox } from '../../src/channels/sandbox-api/server.ts';
import { telegramBot } from '../../src/channels/telegram-bot/adapter.ts';
import { waha } from '../../src/channels/waha/adapter.ts';
import { webhook } from '../../src/channels/webhook/adapter.ts';
import { whatsappCloud } from '../../src/channels/whatsapp-cloud/adapter.ts';
import { sql } from '../../src/db/sql.ts';
import type { Engine } from '../../src/dispatch/engine.ts';
import { readWrote } from '../../src/dispatch/free-text.ts';
import type { DueTouch } from '../../src/dispatch/lanes.ts';
import type { Uuid } from '../../src/kernel/ids.ts';
import { updateSender } from '../../src/senders/change.ts';
import { createSender } from '../../src/senders/create.ts';
import { gapBefore } from '../../src/senders/gap.ts';
import { getSender } from '../../src/senders/show.ts';
import { createSecrets } from '../../src/tenancy/secrets.ts';
import { newSecret } from '../conformance/sink-target.ts';
import { addSender, people, wrote } from '../support/channels.ts';
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
  dir = await mkdtemp(join(tmpdir(), 'cadenza-chat-apis-'));
  sandbox = await startApiSandbox({ dir });
});
afterEach(async () => {
  await connection?.close();
  await sandbox.stop();
  await rm(dir, { recursive: true, force: true });
});

const TEMPLATE = {
  name: 'appointment',
  language: 'en',
  body: { first_name: '{{ contact.first_name }}', day: 'Monday' },
  buttons: [],
};
const HI = 'Hi {{ contact.first_name }}';

type Case = [ChatProviderName, Adapter, string, () => Record<string, unknown>, (n: number) => string];
const CASES: Case[] = [
  ['whatsapp_cloud', whatsappCloud, 'whatsapp', () => ({ template: TEMPLATE }), (n) => `+1415555${2000 + n}`],
  ['waha', waha, 'whatsapp_lite', () => ({ body_text: HI }), (n) => `+1415555${2000 + n}`],
  ['telegram_bot', telegramBot, 'telegram', () => ({ body_text: HI }), (n) => `77${n}`],
  [
    'webhook',
    webhook,
    'webhook',
    () => ({ url: `${sandbox.address('webhook')}/hook`, payload: { text: HI } }),
    () => '',
  ],
];

function connect(adapter: Adapter, provider: ChatProviderName, config: Record<string, unknown> = {}): void {
  connection = adapter.connect(adapter.config.parse({ ...sandbox.config(provider), ...config }));
  engine = world.newEngine({ provider: connection });
}

async function enrolled([provider, adapter, channel, content]: Case, count: number, config = {}) {
  connect(adapter, provider, config);
  const sender = await addSender(world, channel);
  const step = { channel, ...content() };
  const steps = [step, { ...step, delay: { amount: 1, unit: 'days' } }];
  const sequence = await world.sequence({ sender_ids: [sender], steps });
  const contacts = await people(world, count);
  await wrote(world, contacts);
  return { contacts, enrollments: await world.enroll(sequence, contacts) };
}

describe.each(CASES)('messages over %s', (...one) => {
  const [provider, , , , address] = one;

  it('[SEQ-1] [SEQ-5] arrive, each for its own contact, and the sequence goes on', async () => {
    const { contacts, enrollments } = await enrolled(one, 3);
    await deliverNow(world, engine);
    const taken = sandbox.accounts[provider].messages;
    const wanted = contacts.map((id, i) => [provider === 'webhook' ? id : address(i + 1), `Person ${i + 1}`]);
    expect(taken.map(({ to }) => to).sort()).toEqual(wanted.map(([to]) => to).sort());
    for (const [to, name] of wanted) expect(taken.find((message) => message.to === to)!.text).toContain(name);
    for (const id of enrollments) expect(await story(world, id)).toEqual(['0.1 sent', '1.1 planned']);
  });

  it('[EXE-5] an answer that was lost is never a second message', async () => {
    const { enrollments } = await enrolled(one, 1);
    sandbox.plan({ faults: [{ fault: 'cut_after', times: 1 }] });
    await deliverNow(world, engine);
    await deliverNow(world, engine);
    expect(sandbox.accounts[provider].messages).toHaveLength(1);
    const [first] = await world.owner.call(
      sql`SELECT state, needs_review FROM touches WHERE source_id = ${enrollments[0]!}::uuid AND step_no = 0`,
    );
    // A receiver that takes one key once is asked again under it; of the others a person decides.
    expect(first).toMatchObject(
      provider === 'webhook' ? { state: 'sent' } : { state: 'unknown', needs_review: true },
    );
  });

  it('[EXE-6] throttled waits, bad credentials hold the sender', async () => {
    const { enrollments } = await enrolled(one, 1);
    sandbox.plan({ faults: [{ fault: 'throttle', times: 1, retry_after_s: 1 }] });
    await deliverNow(world, engine);
    const touch = await touchRow(world, (await enrollmentRow(world, enrollments[0]!)).live_touch);
    expect(touch).toMatchObject({ state: 'planned', reason: 'throttled', attempt: 1 });
    await world.owner.call(
      sql`UPDATE touches SET wake_at = now(), not_before = now() WHERE id = ${touch.id}::uuid`,
    );
    sandbox.plan({ faults: [{ fault: 'unauthorized' }] });
    await deliverNow(world, engine);
    const [sender] = await world.owner.call(
      sql`SELECT status, status_reason FROM senders WHERE id = ${touch.sender_id}::uuid`,
    );
    expect(sender).toMatchObject({
      status: 'paused',
      status_reason: expect.stringContaining('bad_credentials'),
    });
    expect(sandbox.accounts[provider].messages).toHaveLength(0);
  });
});

describe('who wants no more', () => {
  it.each([
    [CASES[0]!, 'whatsapp', '+14155552002'],
    [CASES[2]!, 'telegram', '772'],
  ])('[CON-8] over %s is suppressed, and nobody else is', async (one, kind, address) => {
    const { enrollments } = await enrolled(one, 3);
    // WhatsApp lets people stop its marketing templates, Telegram lets them block a bot.
    if (one[0] === 'whatsapp_cloud' || one[0] === 'telegram_bot') await sandbox.optOut(one[0], address);
    await deliverNow(world, engine);
    expect(await enrollmentRow(world, enrollments[1]!)).toMatchObject({ status: 'unsubscribed' });
    for (const i of [0, 2]) expect(await story(world, enrollments[i]!)).toEqual(['0.1 sent', '1.1 planned']);
    const suppressed = await world.owner.call(
      sql`SELECT kind, address FROM suppressions WHERE org_id = ${world.org}::uuid`,
    );
    expect(suppressed).toEqual([{ kind, address }]);
  });

  it('a chat that the bot has never met ends that enrollment alone; the address stays good for another bot', async () => {
    const { enrollments } = await enrolled(CASES[2]!, 2);
    sandbox.plan({ faults: [{ fault: 'address', match: '^771$' }] });
    await deliverNow(world, engine);
    expect(await enrollmentRow(world, enrollments[0]!)).toMatchObject({ status: 'failed' });
    expect(await story(world, enrollments[1]!)).toEqual(['0.1 sent', '1.1 planned']);
    expect(await world.owner.call(sql`SELECT 1 FROM suppressions WHERE org_id = ${world.org}::uuid`)).toEqual(
      [],
    );
  });
});

describe('free text over WhatsApp', () => {
  const reasonOf = async (enrollment: Uuid) => {
    const [row] = await world.owner.call(
      sql`SELECT state, reason FROM touches WHERE source_id = ${enrollment}::uuid AND step_no = 0`,
    );
    return `${row!.state} ${row!.reason ?? ''}`.trim();
  };

  it('[EXE-11] over the Cloud API goes within 24 hours of the last message there, and else not at all', async () => {
    connect(whatsappCloud, 'whatsapp_cloud');
    const sender = await addSender(world, 'whatsapp');
    const sequence = await world.sequence({
      sender_ids: [sender],
      steps: [{ channel: 'whatsapp', mode: 'automatic', body_text: HI }],
    });
    const contacts = await people(world, 5);
    await wrote(world, [contacts[0]!], 'whatsapp', 23.5);
    await wrote(world, [contacts[1]!], 'whatsapp', 24.5);
    await wrote(world, [contacts[2]!], 'whatsapp_lite', 1);
    await wrote(world, [contacts[3]!], 'sms', 1);
    const enrollments = await world.enroll(sequence, contacts);
    await deliverNow(world, engine);
    expect(await Promise.all(enrollments.map(reasonOf))).toEqual([
      'sent',
      ...Array(4).fill('skipped reply_window_closed'),
    ]);
    // Before the provider was called.
    expect(sandbox.accounts.whatsapp_cloud.messages.map(({ to }) => to)).toEqual(['+14155552001']);
  });

  it('over a gateway goes to those who ever wrote, unless its sender says otherwise', async () => {
    connect(waha, 'waha');
    const [strict, free] = [await addSender(world, 'whatsapp_lite'), await addSender(world, 'whatsapp_lite')];
    await world.owner.call(sql`UPDATE senders SET config = '{"write_first": true}' WHERE id = ${free}::uuid`);
    const steps = [{ channel: 'whatsapp_lite', body_text: HI }];
    const contacts = await people(world, 3);
    await wrote(world, [contacts[0]!], 'whatsapp', 1_000);
    await wrote(world, [contacts[1]!], 'sms', 1);
    const first = await world.enroll(await world.sequence({ sender_ids: [strict], steps }), contacts);
    const second = await world.enroll(await world.sequence({ sender_ids: [free], steps }), contacts);
    await deliverNow(world, engine);
    expect(await Promise.all(first.map(reasonOf))).toEqual([
      'sent',
      'skipped never_wrote',
      'skipped never_wrote',
    ]);
    expect(await Promise.all(second.map(reasonOf))).toEqual(['sent', 'sent', 'sent']);
  });

  it('reads nothing where a batch has none of it', async () => {
    const db = { inOrg: () => Promise.reject(new Error('read')) } as unknown as Engine['db'];
    const due = [
      { channel: 'email', contact_id: world.org },
      { channel: 'sms', contact_id: world.org },
      { channel: 'whatsapp', contact_id: world.org, version_id: 'one', step_no: 0 },
    ] as unknown as DueTouch[];
    const versions = new Map([['one', { definition: { steps: [{ template: TEMPLATE }] } }]]) as never;
    expect(await readWrote(db, world.org, due, versions)).toBeNull();
    await expect(readWrote(db, world.org, due, new Map())).rejects.toThrow('read');
  });
});

describe('a sender of WhatsApp Lite', () => {
  const secrets = () => createSecrets([newSecret()]);
  const providers = new Map([['waha', waha]]);
  const make = () =>
    createSender(world.db, secrets(), providers, world.ctx, {
      channel: 'whatsapp_lite',
      provider: 'waha',
      name: 'Lite',
      from: { address: '+14155550100' },
      config: sandbox.config('waha'),
    });

  it('[EXE-7] [EXE-9] has its usual limits from the start, and gets them back when they are taken away', async () => {
    connect(waha, 'waha');
    const made = await make();
    const usual = { daily_limit: 200, min_gap_s: 60, max_gap_s: 19 * 60 };
    expect(made).toMatchObject({ ...usual, warning: expect.stringContaining('bans') });
    const other = { daily_limit: 20, min_gap_s: 120, max_gap_s: 600 };
    const change = (patch: Record<string, number | null>) =>
      updateSender(world.db, secrets(), providers, world.ctx, made.id, patch);
    expect(await change(other)).toMatchObject(other);
    expect(await change({ daily_limit: null, min_gap_s: null, max_gap_s: null })).toMatchObject(usual);
  });

  it('[EXE-9] [I9] keeps its gap over two workers from the very first message', async () => {
    connect(waha, 'waha');
    const sender = await make();
    let clock = Date.now() + 60_000;
    const calls: { touch: Uuid; at: number }[] = [];
    const noting: Connection = {
      provider_class: 'N',
      capacity: () => connection.capacity(),
      close: async () => undefined,
      send(request) {
        calls.push({ touch: request.touch_id, at: clock });
        return connection.send(request);
      },
    };
    const workers = [1, 2].map(() => ({
      ...world.newEngine({ provider: noting }),
      now: () => new Date(clock),
    }));
    const sequence = await world.sequence({
      sender_ids: [sender.id],
      steps: [{ channel: 'whatsapp_lite', body_text: HI }],
    });
    const contacts = await people(world, 6);
    await wrote(world, contacts);
    await world.enroll(sequence, contacts);
    await Promise.all(workers.map((one) => deliverNow(world, one)));
    expect(calls).toHaveLength(1);
    for (;;) {
      const [row] = await world.owner.call<{ at: Date | null }>(
        sql`SELECT min(wake_at) AS at FROM touches WHERE org_id = ${world.org}::uuid AND state = 'planned'`,
      );
      if (!row?.at) break;
      clock = Math.max(clock, row.at.getTime());
      await Promise.all(workers.map((one) => deliverNow(world, one)));
    }
    expect(new Set(calls.map(({ touch }) => touch)).size).toBe(6);
    expect(calls).toHaveLength(6);
    for (const [i, { touch, at }] of calls.entries()) {
      if (i === 0) continue;
      const gap = at - calls[i - 1]!.at;
      expect(gap).toBeGreaterThanOrEqual(gapBefore(touch, sender));
      expect(gap).toBeGreaterThanOrEqual(60_000);
      expect(gap).toBeLessThan(19 * 60_000 + 10_000);
    }
    const { usage } = await getSender(world.db, world.ctx, sender.id);
    expect(usage).toMatchObject({ daily_limit: 200 });
    expect(sandbox.accounts.waha.messages).toHaveLength(6);
  });
});

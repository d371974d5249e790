/** One suite for every adapter of chats and of somebody's own systems, against the sandbox that speaks each dialect. */
import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Adapter } from '../../src/channels/channel.ts';
import type { ChatProviderName } from '../../src/channels/sandbox-api/message.ts';
import { telegramBot } from '../../src/channels/telegram-bot/adapter.ts';
import { waha } from '../../src/channels/waha/adapter.ts';
import { webhook } from '../../src/channels/webhook/adapter.ts';
import { whatsappCloud } from '../../src/channels/whatsapp-cloud/adapter.ts';
import type { Message } from '../../src/kernel/message.ts';
import { optOuts } from './api-suite.ts';
import { startTarget } from './api-target.ts';
import {
  type ChatTarget,
  type ChatTraits,
  chatRequest,
  proof,
  sends,
  verifying,
  webhooks,
} from './chat-api-suite.ts';
import { newSecret } from './sink-target.ts';

const WORDS = 'Grüße & 100 % — 你好 + 🎉';
const ADA = '+14155550100';
const NUMBERS: [string, string] = ['+4930555200', '+4930555299'];
const NOT_REACHABLE = { kind: 'refused', permanence: 'permanent', reason: 'not_reachable' };

const cloud: ChatTraits = {
  message: (_target, touch, to) => ({
    kind: 'whatsapp_template',
    from: ADA,
    to,
    template: {
      name: 'welcome',
      language: 'en',
      header: { type: 'text', values: ['Bob'] },
      body: ['Bob', `${WORDS} ${touch}`],
      buttons: [{ index: 0, type: 'url', value: 'abc' }],
    },
  }),
  to: NUMBERS,
  from: () => ADA,
  faults: { address: NOT_REACHABLE },
  throttle_wait: false,
  wrong_key: { access_token: newSecret() },
  flaws: [[{ to: '4930555200' }, 'address_rejected']],
  echo: true,
  tells: ['delivered', 'opened', 'bounced_soft'],
};

const lite: ChatTraits = {
  message: (_target, touch, to) => ({ kind: 'whatsapp_text', from: ADA, to, text: `${WORDS}\n${touch}` }),
  to: NUMBERS,
  from: () => ADA,
  faults: { address: NOT_REACHABLE },
  throttle_wait: false,
  wrong_key: { api_key: newSecret() },
  flaws: [
    [{ to: '4930555200' }, 'address_rejected'],
    [{ text: ' ' }, 'content_rejected'],
    [{ text: 'x'.repeat(4_097) }, 'content_rejected'],
  ],
  echo: false,
  tells: ['delivered', 'opened', 'bounced_soft'],
};

const telegram: ChatTraits = {
  message: ({ sandbox }, touch, to) => ({
    kind: 'telegram',
    from: sandbox.accounts.telegram_bot.secrets.secret!,
    to,
    text: `${WORDS} <b>*_\n${touch}`,
  }),
  to: ['7700001', '7700099'],
  from: ({ sandbox }) => sandbox.accounts.telegram_bot.secrets.secret!,
  faults: {
    address: NOT_REACHABLE,
    // A token that is none: 404.
    sender: { kind: 'refused', permanence: 'transient', reason: 'bad_credentials' },
  },
  throttle_wait: true,
  wrong_key: { token: `1234567890:${randomBytes(26).toString('hex').slice(0, 35)}` },
  flaws: [
    [{ to: 'Bob' }, 'address_rejected'],
    [{ text: ' ' }, 'content_rejected'],
    [{ text: 'x'.repeat(4_097) }, 'content_rejected'],
  ],
  echo: false,
  tells: [],
};

const system: ChatTraits = {
  message: ({ sandbox }, touch, to) => ({
    kind: 'webhook',
    from: 'Cadenza',
    url: `${sandbox.address('webhook')}/hook`,
    body: JSON.stringify({ touch_id: touch, contact_id: to, payload: { text: WORDS } }),
  }),
  to: ['contact-one', 'contact-two'],
  from: () => 'Cadenza',
  faults: {
    address: NOT_REACHABLE,
    sender: { kind: 'refused', permanence: 'permanent', reason: 'policy' },
    // Whatever stands in a 2xx, it is one.
    garbage: { kind: 'accepted' },
  },
  throttle_wait: true,
  wrong_key: { signing_secret: `whsec_${randomBytes(32).toString('base64')}` },
  flaws: [
    [{ url: 'ftp://example.com/' }, 'content_rejected'],
    [{ url: 'http://user:pass@127.0.0.1:1/' }, 'content_rejected'],
    [{ body: JSON.stringify('x'.repeat(1_100_000)) }, 'content_rejected'],
  ],
  echo: true,
  tells: [],
  keyed: true,
  untried: true,
};

const SUITE: [ChatProviderName, Adapter, ChatTraits][] = [
  ['whatsapp_cloud', whatsappCloud, cloud],
  ['waha', waha, lite],
  ['telegram_bot', telegramBot, telegram],
  ['webhook', webhook, system],
];

describe.each(SUITE)('%s', (provider, adapter, traits) => {
  let target: ChatTarget;
  const world = () => target;
  beforeAll(async () => {
    target = await startTarget<Message>(adapter, provider);
  });
  afterEach(() => target.afterEach());
  afterAll(() => target.stop());

  sends(world, traits);
  proof(world, traits);
  verifying(world, traits);
  if (adapter.webhook) webhooks(world, traits);
  if (provider === 'telegram_bot' || provider === 'whatsapp_cloud')
    optOuts(world, (to) => chatRequest(target, traits, to), traits.to[1]);
});

describe('templates of whatsapp_cloud', () => {
  let target: ChatTarget;
  beforeAll(async () => {
    target = await startTarget<Message>(whatsappCloud, 'whatsapp_cloud');
  });
  afterEach(() => target.afterEach());
  afterAll(() => target.stop());

  const template = (more: Record<string, unknown>) => {
    const request = chatRequest(target, cloud);
    if (request.message.kind === 'whatsapp_template')
      Object.assign(request.message, { template: { body: [], buttons: [], language: 'en', ...more } });
    return request;
  };

  it.each([
    ['named values', { name: 'appointment', body: { first_name: 'Bob', day: 'Monday' } }],
    [
      'a document as header',
      {
        name: 'brochure',
        language: 'de',
        header: { type: 'document', link: 'https://example.com/a.pdf', filename: 'a.pdf' },
      },
    ],
  ])('[EXE-11] go out with %s', async (_what, content) => {
    const request = template(content);
    expect(await target.connect().send(request)).toMatchObject({ kind: 'accepted' });
    const [taken] = await target.accepted(request.touch_id);
    expect(taken!.extra).toMatchObject({ type: 'template', template: { name: content.name } });
  });

  it.each([
    ['one that does not exist', { name: 'nothing' }],
    ['one that is not approved', { name: 'spring_sale', body: ['Bob'] }],
    ['too few values', { name: 'welcome', body: ['Bob'] }],
    ['values by name where they go by position', { name: 'welcome', body: { a: 'x', b: 'y' } }],
    ['a missing button', { name: 'welcome', header: { type: 'text', values: ['x'] }, body: ['x', 'y'] }],
  ])('are refused for good: %s', async (_what, content) => {
    expect(await target.connect().send(template(content))).toMatchObject({
      kind: 'refused',
      permanence: 'permanent',
      reason: 'content_rejected',
    });
  });

  it('[EXE-11] are read page by page, with status, language and parts', async () => {
    const config = whatsappCloud.config.parse(target.sandbox.config('whatsapp_cloud'));
    const read = await whatsappCloud.templates!(config, { timeout_ms: 5_000 });
    if (!read.ok) throw new Error(read.detail);
    expect(read.templates.map(({ name, language, status }) => `${name} ${language} ${status}`)).toEqual([
      'welcome en APPROVED',
      'appointment en APPROVED',
      'brochure de APPROVED',
      'spring_sale en PENDING',
    ]);
    expect(read.templates[1]).toMatchObject({ parameter_format: 'named', category: 'UTILITY' });
    const wrong = whatsappCloud.config.parse({ ...config, access_token: newSecret() });
    expect(await whatsappCloud.templates!(wrong, { timeout_ms: 5_000 })).toMatchObject({ ok: false });
  });
});

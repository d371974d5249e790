/** What each provider of chats is documented to answer, word by word, and what it means. */
import { describe, expect, it } from 'vitest';
import type { Adapter } from '../../src/channels/channel.ts';
import { telegramBot } from '../../src/channels/telegram-bot/adapter.ts';
import { waha } from '../../src/channels/waha/adapter.ts';
import { webhook } from '../../src/channels/webhook/adapter.ts';
import { whatsappCloud } from '../../src/channels/whatsapp-cloud/adapter.ts';
import type { Message } from '../../src/kernel/message.ts';
import { type Answer, answering, type Case, COMMON, expectOutcome } from './api-answers.ts';
import { requestOf } from './api-target.ts';

const meta = (code: number, status = 400, more = {}): Answer => [
  status,
  { error: { message: `(#${code}) x`, type: 'OAuthException', code, fbtrace_id: 'x', ...more } },
];
const bot = (status: number, description: string, parameters = {}): Answer => [
  status,
  { ok: false, error_code: status, description, parameters },
];

const TEXT = { from: '+14155550100', to: '+4930555200', text: 'Hello' };

const CASES: [string, Adapter, Record<string, unknown>, (base: string) => Message, Case[]][] = [
  [
    'whatsapp_cloud',
    whatsappCloud,
    { phone_number_id: '100000', access_token: 't' },
    () => ({ kind: 'whatsapp_text', ...TEXT }),
    [
      [[200, { messaging_product: 'whatsapp', messages: [{ id: 'wamid.x' }] }], 'accepted wamid.x'],
      [[200, { messages: [{ id: 'x' }] }], 'ambiguous unreadable_answer'],
      [meta(131049), 'throttled throttled 86400000'],
      [meta(131056), 'throttled throttled 60000'],
      [meta(130429), 'throttled throttled 10000'],
      [meta(130429, 429), 'throttled throttled 10000'],
      [meta(80007), 'throttled throttled 60000'],
      [meta(131048), 'throttled throttled 3600000'],
      [meta(131047), 'permanent reply_window_closed'],
      [meta(470), 'permanent reply_window_closed'],
      [meta(131050), 'permanent opted_out'],
      [meta(131026), 'permanent not_reachable'],
      [meta(131030), 'permanent policy'],
      [meta(132015), 'throttled template_paused 3600000'],
      [meta(132016), 'throttled template_paused 3600000'],
      [meta(132001, 404), 'permanent content_rejected'],
      [meta(132000), 'permanent content_rejected'],
      [meta(100), 'permanent content_rejected'],
      [meta(100, 400, { error_subcode: 33 }), 'permanent sender_rejected'],
      [meta(133010), 'permanent sender_rejected'],
      [meta(368, 403), 'permanent sender_rejected'],
      [meta(190, 401), 'transient bad_credentials'],
      [meta(190), 'transient bad_credentials'],
      [meta(200, 403), 'transient bad_credentials'],
      [meta(131057, 503), 'transient unavailable'],
      [meta(131000, 500), 'ambiguous unknown_error'],
      [meta(131016, 500), 'ambiguous service_overloaded'],
      [meta(999999), 'permanent other'],
    ],
  ],
  [
    'telegram_bot',
    telegramBot,
    { token: `1234567890:${'x'.repeat(35)}` },
    () => ({ kind: 'telegram', from: 'example_bot', to: '7700', text: 'Hello' }),
    [
      [[200, { ok: true, result: { message_id: 77, chat: { id: 7700 } } }], 'accepted 77'],
      [[200, { ok: false }], 'ambiguous unreadable_answer'],
      [bot(403, 'Forbidden: bot was blocked by the user'), 'permanent opted_out'],
      [bot(403, 'Forbidden: user is deactivated'), 'permanent mailbox_unknown'],
      [bot(403, "Forbidden: bot can't initiate conversation with a user"), 'permanent not_reachable'],
      [bot(403, 'Forbidden: bot was kicked from the group chat'), 'permanent opted_out'],
      [bot(400, 'Bad Request: chat not found'), 'permanent not_reachable'],
      [bot(400, 'Bad Request: message is too long'), 'permanent content_rejected'],
      [bot(400, 'Bad Request: not enough rights to send text messages to the chat'), 'permanent policy'],
      [bot(401, 'Unauthorized'), 'transient bad_credentials'],
      [bot(404, 'Not Found'), 'transient bad_credentials'],
      [bot(429, 'Too Many Requests: retry after 35', { retry_after: 35 }), 'throttled throttled 35000'],
      [bot(500, 'Internal Server Error'), 'ambiguous status_500'],
    ],
  ],
  [
    'waha',
    waha,
    { api_key: 'k', accept_ban_risk: true },
    () => ({ kind: 'whatsapp_text', ...TEXT }),
    [
      [[201, { key: { id: '3EB0AAAAAAAA' } }], 'accepted 3EB0AAAAAAAA'],
      [[201, { id: 'true_4930555200@c.us_3EB0AAAAAAAA' }], 'accepted 3EB0AAAAAAAA'],
      [[201, { id: { _serialized: 'true_4930555200@c.us_3EB0AAAAAAAA' } }], 'accepted 3EB0AAAAAAAA'],
      [[201, {}], 'ambiguous unreadable_answer'],
      [[401, { message: 'Unauthorized' }], 'transient bad_credentials'],
      [[404, { message: 'Session "default" does not exist' }], 'permanent sender_rejected'],
      [[422, { message: 'Session status is not as expected', status: 'STARTING' }], 'transient unavailable'],
      [
        [422, { message: 'Session status is not as expected', status: 'FAILED' }],
        'permanent sender_rejected',
      ],
      [[500, { message: 'No LID for user' }], 'ambiguous status_500'],
    ],
  ],
  [
    'webhook',
    webhook,
    { signing_secret: `whsec_${Buffer.alloc(32, 7).toString('base64')}` },
    (base) => ({ kind: 'webhook', from: 'x', url: `${base}/hook`, body: '{}' }),
    [
      [[200, 'anything at all'], 'accepted'],
      [[204, ''], 'accepted'],
      [[400, ''], 'permanent content_rejected'],
      [[418, ''], 'permanent content_rejected'],
      [[403, ''], 'permanent policy'],
      [[404, ''], 'permanent not_reachable'],
      [[410, ''], 'permanent not_reachable'],
      [[302, '', { location: 'http://127.0.0.1:1/' }], 'permanent not_reachable'],
      [[401, ''], 'transient bad_credentials'],
      [[409, ''], 'ambiguous key_conflict'],
      [[425, ''], 'transient unavailable'],
      [[500, ''], 'ambiguous status_500'],
    ],
  ],
];

/** Of every provider of chats. */
const CHAT: Case[] = [[[429, '', { 'retry-after': '30' }], 'throttled throttled 30000']];

describe('answers of chat APIs', () => {
  const provider = answering();

  for (const [name, adapter, config, message, cases] of CASES) {
    it.each([...cases, ...CHAT, ...COMMON])(`${name}: %j is %s`, async (given, expected) => {
      const base_url = provider.address();
      const settings = name === 'webhook' ? config : { ...config, base_url };
      const outcome = await provider.send(
        given,
        adapter,
        settings,
        requestOf(() => message(base_url)),
      );
      expectOutcome(outcome, expected);
      // Whoever answers a webhook could put anything there.
      if (name === 'webhook' && 'response' in outcome) expect(outcome.response).toBe(String(given[0]));
    });
  }
});

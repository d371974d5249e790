/** What each SMS provider is documented to answer, word by word, and what it means. */
import { describe, it } from 'vitest';
import type { Adapter } from '../../src/channels/channel.ts';
import { quo } from '../../src/channels/quo/adapter.ts';
import { telnyx } from '../../src/channels/telnyx/adapter.ts';
import { twilio } from '../../src/channels/twilio/adapter.ts';
import type { SmsMessage } from '../../src/kernel/message.ts';
import { type Answer, answering, type Case, COMMON, expectOutcome } from './api-answers.ts';
import { requestOf } from './api-target.ts';

const SID = `SM${'0'.repeat(32)}`;
const twilioError = (code: number, status = 400): Answer => [status, { code, message: 'x', status }];

const telnyxError = (code: string, status = 400, pointer?: string): Answer => [
  status,
  { errors: [{ code, title: 'x', ...(pointer === undefined ? {} : { source: { pointer } }) }] },
];

const quoError = (status: number, message: string, path?: string): Answer => [
  status,
  { message, title: 'x', ...(path === undefined ? {} : { errors: [{ path, message }] }) },
];

const CASES: [string, Adapter, Record<string, unknown>, Case[]][] = [
  [
    'twilio',
    twilio,
    { account_sid: `AC${'0'.repeat(32)}`, secret: 's' },
    [
      [[201, { sid: SID, status: 'queued' }], `accepted ${SID}`],
      [[201, { sid: 'x' }], 'ambiguous unreadable_answer'],
      [[201, '<html>'], 'ambiguous unreadable_answer'],
      [twilioError(21610), 'permanent opted_out'],
      [twilioError(21211), 'permanent address_rejected'],
      [twilioError(21614), 'permanent not_reachable'],
      [twilioError(21612), 'permanent not_reachable'],
      [twilioError(21408, 403), 'permanent policy'],
      [twilioError(21608), 'permanent policy'],
      [twilioError(21617), 'permanent content_rejected'],
      [twilioError(21606), 'permanent sender_rejected'],
      [twilioError(21660), 'permanent sender_rejected'],
      [twilioError(30034), 'permanent sender_rejected'],
      [twilioError(21611, 429), 'throttled throttled'],
      [twilioError(20429, 429), 'throttled throttled'],
      [twilioError(20003, 401), 'transient bad_credentials'],
      [twilioError(20003, 403), 'transient bad_credentials'],
      [twilioError(99999), 'permanent other'],
      [twilioError(20404, 404), 'permanent sender_rejected'],
      [twilioError(20500, 500), 'ambiguous status_500'],
    ],
  ],
  [
    'telnyx',
    telnyx,
    { api_key: 'k' },
    [
      [[200, { data: { id: '40385f64', record_type: 'message' } }], 'accepted 40385f64'],
      [[200, { data: { id: '40385f64' } }], 'ambiguous unreadable_answer'],
      [telnyxError('40300', 403), 'permanent opted_out'],
      [telnyxError('40300'), 'permanent opted_out'],
      [telnyxError('40310'), 'permanent address_rejected'],
      [telnyxError('10016', 422, '/to'), 'permanent address_rejected'],
      [telnyxError('10016', 422, '/from'), 'permanent sender_rejected'],
      [telnyxError('10015', 422, '/text'), 'permanent content_rejected'],
      [telnyxError('40001'), 'permanent not_reachable'],
      [telnyxError('40305'), 'permanent sender_rejected'],
      [telnyxError('40302'), 'permanent content_rejected'],
      [telnyxError('40318'), 'throttled throttled'],
      [telnyxError('10011', 429), 'throttled throttled'],
      [telnyxError('10009', 401), 'transient bad_credentials'],
      [telnyxError('10010', 403), 'transient bad_credentials'],
      [telnyxError('99999', 422), 'permanent other'],
      [telnyxError('10007', 500), 'ambiguous status_500'],
    ],
  ],
  [
    'quo',
    quo,
    { api_key: 'k' },
    [
      [[202, { data: { id: 'AC123', status: 'queued' } }], 'accepted AC123'],
      [[202, { data: {} }], 'ambiguous unreadable_answer'],
      [quoError(400, 'Expected string', '/to/0'), 'permanent address_rejected'],
      [quoError(400, 'Expected string', '/content'), 'permanent content_rejected'],
      [quoError(400, 'Expected string', '/from'), 'permanent sender_rejected'],
      [quoError(400, 'The recipient has opted out of your messages'), 'permanent opted_out'],
      [quoError(422, 'Semantic error', '/content'), 'permanent content_rejected'],
      [quoError(401, 'Unauthorized'), 'transient bad_credentials'],
      [quoError(402, 'Insufficient credits'), 'throttled throttled 3600000'],
      [quoError(403, 'Forbidden'), 'permanent sender_rejected'],
      [quoError(404, 'Not Found'), 'permanent sender_rejected'],
      [quoError(409, 'Conflict'), 'ambiguous key_conflict'],
      [quoError(500, 'Unknown'), 'ambiguous status_500'],
    ],
  ],
];

/** Of every provider of text messages. */
const SMS: Case[] = [
  [[200, ''], 'ambiguous unreadable_answer'],
  [[307, '', { location: 'http://127.0.0.1:1/' }], 'permanent sender_rejected'],
  [[429, '', { 'retry-after': '30' }], 'throttled throttled 30000'],
];

const MESSAGE: SmsMessage = {
  kind: 'sms',
  from: '+14155550100',
  to: '+4930555200',
  text: 'Hello',
  encoding: 'gsm7',
  segments: 1,
};

describe('answers of SMS APIs', () => {
  const provider = answering();

  for (const [name, adapter, config, cases] of CASES) {
    it.each([...cases, ...SMS, ...COMMON])(`${name}: %j is %s`, async (given, expected) => {
      const settings = { ...config, base_url: provider.address() };
      const outcome = await provider.send(
        given,
        adapter,
        settings,
        requestOf(() => MESSAGE),
      );
      expectOutcome(outcome, expected);
    });
  }
});

/** What each provider is documented to answer, word by word, and what it means. */
import { describe, it } from 'vitest';
import { brevo } from '../../src/channels/brevo/adapter.ts';
import type { Adapter } from '../../src/channels/channel.ts';
import { mailgun } from '../../src/channels/mailgun/adapter.ts';
import { postmark } from '../../src/channels/postmark/adapter.ts';
import { resend } from '../../src/channels/resend/adapter.ts';
import { sendgrid } from '../../src/channels/sendgrid/adapter.ts';
import { ses } from '../../src/channels/ses/adapter.ts';
import { type Answer, answering, type Case, COMMON, expectOutcome } from './api-answers.ts';
import { request } from './email-target.ts';

const later = String(Math.ceil(Date.now() / 1_000) + 600);
const resendError = (status: number, name: string, message = ''): Answer => [
  status,
  { statusCode: status, name, message },
];
const postmarkError = (ErrorCode: number, Message = '', status = 422): Answer => [
  status,
  { ErrorCode, Message },
];
const sendgridError = (status: number, field: string | null, message = ''): Answer => [
  status,
  { errors: [{ field, message }] },
];
const brevoError = (code: string, message = '', status = 400): Answer => [status, { code, message }];
const sesError = (type: string, message = '', status = 400): Answer => [
  status,
  { message },
  { 'x-amzn-ErrorType': type },
];

const CASES: [string, Adapter, Record<string, unknown>, Case[]][] = [
  [
    'resend',
    resend,
    { api_key: 'k' },
    [
      [[200, { id: '49a3999c' }], 'accepted 49a3999c'],
      [[200, {}], 'ambiguous unreadable_answer'],
      [[200, 'Welcome to this Wi-Fi'], 'ambiguous unreadable_answer'],
      [resendError(409, 'concurrent_idempotent_requests'), 'ambiguous key_in_progress'],
      [resendError(409, 'invalid_idempotent_request'), 'ambiguous key_conflict'],
      [resendError(401, 'missing_api_key'), 'transient bad_credentials'],
      [resendError(401, 'restricted_api_key'), 'transient bad_credentials'],
      [resendError(403, 'invalid_api_key'), 'transient bad_credentials'],
      [
        resendError(403, 'validation_error', 'The domain.com domain is not verified.'),
        'permanent sender_rejected',
      ],
      [resendError(422, 'validation_error', 'Invalid `to` field.'), 'permanent address_rejected'],
      [resendError(422, 'validation_error', 'Invalid `html` field.'), 'permanent content_rejected'],
      [resendError(422, 'missing_required_field', 'Missing `subject` field.'), 'permanent content_rejected'],
      [resendError(429, 'rate_limit_exceeded'), 'throttled throttled'],
      [resendError(429, 'daily_quota_exceeded'), 'throttled throttled 3600000'],
      [resendError(451, 'security_error'), 'permanent policy'],
      [resendError(500, 'application_error'), 'ambiguous status_500'],
    ],
  ],
  [
    'postmark',
    postmark,
    { server_token: 'k' },
    [
      [[200, { ErrorCode: 0, MessageID: 'b7bc2f4a', Message: 'OK' }], 'accepted b7bc2f4a'],
      [[200, { ErrorCode: 0 }], 'ambiguous unreadable_answer'],
      [[200, { ErrorCode: 300, MessageID: 'b7bc2f4a' }], 'ambiguous unreadable_answer'],
      [postmarkError(10, '', 401), 'transient bad_credentials'],
      [postmarkError(300, "Error parsing 'To': Illegal email address"), 'permanent address_rejected'],
      [postmarkError(300, "Invalid 'From' address"), 'permanent sender_rejected'],
      [postmarkError(300, 'Provide either email TextBody or HtmlBody'), 'permanent content_rejected'],
      [postmarkError(400), 'permanent sender_rejected'],
      [postmarkError(405), 'permanent sender_rejected'],
      [postmarkError(406), 'permanent address_rejected'],
      [postmarkError(412), 'permanent sender_rejected'],
      [postmarkError(413), 'permanent sender_rejected'],
      [postmarkError(429, '', 429), 'throttled throttled'],
      [[413, 'too large'], 'permanent content_rejected'],
      [postmarkError(0, '', 500), 'ambiguous status_500'],
      [[503, 'maintenance'], 'transient unavailable'],
      // Something before the API that is no Postmark.
      [[403, '<html>403 Forbidden</html>'], 'transient bad_credentials'],
    ],
  ],
  [
    'sendgrid',
    sendgrid,
    { api_key: 'k' },
    [
      [[202, '', { 'x-message-id': 'abc' }], 'accepted abc'],
      [[202, ''], 'ambiguous unreadable_answer'],
      [[200, '', { 'x-message-id': 'abc' }], 'ambiguous unreadable_answer'],
      [sendgridError(400, 'personalizations.0.to.0.email'), 'permanent address_rejected'],
      [sendgridError(400, 'content.0.value'), 'permanent content_rejected'],
      [sendgridError(400, 'from.email'), 'permanent sender_rejected'],
      [sendgridError(400, 'template_id'), 'permanent other'],
      [sendgridError(401, null, 'The provided authorization grant is invalid'), 'transient bad_credentials'],
      [sendgridError(401, null, 'Maximum credits exceeded'), 'throttled throttled 3600000'],
      [sendgridError(403, 'from', 'does not match a verified Sender Identity'), 'permanent sender_rejected'],
      [sendgridError(403, null, 'access forbidden'), 'transient bad_credentials'],
      [sendgridError(413, null), 'permanent content_rejected'],
      [[429, '', { 'x-ratelimit-reset': later }], 'throttled throttled 600000'],
      [sendgridError(500, null), 'ambiguous status_500'],
    ],
  ],
  [
    'mailgun',
    mailgun,
    { api_key: 'k', domain: 'mg.example.test' },
    [
      [
        [200, { id: '<20111114174239@mg.example.test>', message: 'Queued.' }],
        'accepted 20111114174239@mg.example.test',
      ],
      [[200, { message: 'Queued.' }], 'ambiguous unreadable_answer'],
      [[400, { message: 'to parameter is not a valid address. please check' }], 'permanent address_rejected'],
      [[400, { message: 'from parameter is not a valid address.' }], 'permanent sender_rejected'],
      [[400, { message: "Need at least one of 'text' or 'html'" }], 'permanent content_rejected'],
      [[401, 'Forbidden'], 'transient bad_credentials'],
      [[402, { message: 'failed' }], 'transient unavailable'],
      [[403, { message: 'Domain is not allowed to send' }], 'permanent sender_rejected'],
      [[404, { message: 'Domain not found' }], 'permanent sender_rejected'],
      [[429, {}, { 'retry-after': '30' }], 'throttled throttled 30000'],
      [[504, ''], 'ambiguous status_504'],
    ],
  ],
  [
    'brevo',
    brevo,
    { api_key: 'k' },
    [
      [[201, { messageId: '<2020@smtp-relay.mailin.fr>' }], 'accepted 2020@smtp-relay.mailin.fr'],
      [[201, {}], 'ambiguous unreadable_answer'],
      // What the key was used for cannot be asked here: there are no events.
      [brevoError('duplicate_parameter', 'idempotencyKey'), 'ambiguous key_used'],
      [brevoError('invalid_parameter', 'email is not valid in to'), 'permanent address_rejected'],
      [brevoError('invalid_parameter', 'valid sender email required'), 'permanent sender_rejected'],
      [brevoError('missing_parameter', 'subject is missing'), 'permanent content_rejected'],
      [brevoError('not_enough_credits', '', 402), 'throttled throttled 3600000'],
      [brevoError('unauthorized', 'Key not found', 401), 'transient bad_credentials'],
      [brevoError('permission_denied', '', 403), 'permanent sender_rejected'],
      [[429, {}, { 'x-sib-ratelimit-reset': '12' }], 'throttled throttled 12000'],
      [[502, ''], 'ambiguous status_502'],
    ],
  ],
  [
    'ses',
    ses,
    { region: 'eu-west-1', access_key_id: 'AKIA', secret_access_key: 's' },
    [
      [[200, { MessageId: '0102-1' }], 'accepted 0102-1'],
      [[200, {}], 'ambiguous unreadable_answer'],
      [sesError('ThrottlingException', 'Maximum sending rate exceeded.'), 'throttled throttled'],
      [sesError('TooManyRequestsException', '', 429), 'throttled throttled'],
      [sesError('LimitExceededException', 'Daily message quota exceeded'), 'throttled throttled 3600000'],
      [sesError('MessageRejected', 'Email address is not verified.'), 'permanent sender_rejected'],
      [sesError('MessageRejected', 'prohibited content'), 'permanent content_rejected'],
      [sesError('MailFromDomainNotVerifiedException'), 'permanent sender_rejected'],
      [sesError('AccountSuspendedException'), 'permanent sender_rejected'],
      [sesError('SendingPausedException'), 'permanent sender_rejected'],
      [sesError('BadRequestException', 'Illegal address'), 'permanent address_rejected'],
      [sesError('UnrecognizedClientException:http://internal/', '', 403), 'transient bad_credentials'],
      [[403, { __type: 'com.amazon.coral.service#SignatureDoesNotMatch' }], 'transient bad_credentials'],
      [sesError('ExpiredTokenException', '', 403), 'transient bad_credentials'],
      [sesError('InternalFailure', '', 500), 'ambiguous status_500'],
      [sesError('ServiceUnavailable', '', 503), 'transient unavailable'],
    ],
  ],
];

/** Of every provider of e-mail. */
const MAIL: Case[] = [[[307, '', { location: 'http://127.0.0.1:1/' }], 'permanent sender_rejected']];

describe('answers of e-mail APIs', () => {
  const provider = answering();

  for (const [name, adapter, config, cases] of CASES) {
    it.each([...cases, ...MAIL, ...COMMON])(`${name}: %j is %s`, async (given, expected) => {
      const settings = { ...config, base_url: provider.address() };
      const message = request('bob@example.test', { from: { address: 'ada@example.test' } });
      expectOutcome(await provider.send(given, adapter, settings, message), expected, 5_000);
    });
  }
});

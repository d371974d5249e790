/** One suite for every adapter of an e-mail API, against the sandbox that speaks its provider's dialect. */
import { afterAll, afterEach, beforeAll, describe } from 'vitest';
import { brevo } from '../../src/channels/brevo/adapter.ts';
import type { Adapter } from '../../src/channels/channel.ts';
import { mailgun } from '../../src/channels/mailgun/adapter.ts';
import { postmark } from '../../src/channels/postmark/adapter.ts';
import { resend } from '../../src/channels/resend/adapter.ts';
import type { ProviderName } from '../../src/channels/sandbox-api/message.ts';
import { sendgrid } from '../../src/channels/sendgrid/adapter.ts';
import { ses } from '../../src/channels/ses/adapter.ts';
import { type MailApiTarget, startTarget } from './api-target.ts';
import { limits, proof } from './mail-api-proof.ts';
import { sends, type Traits } from './mail-api-sends.ts';
import { verifying } from './mail-api-verify.ts';
import { webhooks } from './mail-api-webhooks.ts';
import { newSecret } from './sink-target.ts';

const wrong_key = { api_key: newSecret() };
const SUITE: [ProviderName, Adapter, Traits][] = [
  ['resend', resend, { provider_class: 'K', own_message_id: false, throttle_wait: true, wrong_key }],
  [
    'postmark',
    postmark,
    {
      provider_class: 'L',
      own_message_id: true,
      throttle_wait: false,
      wrong_key: { server_token: newSecret() },
    },
  ],
  ['sendgrid', sendgrid, { provider_class: 'N', own_message_id: true, throttle_wait: true, wrong_key }],
  ['mailgun', mailgun, { provider_class: 'N', own_message_id: true, throttle_wait: true, wrong_key }],
  ['brevo', brevo, { provider_class: 'K', own_message_id: false, throttle_wait: true, wrong_key }],
  [
    'ses',
    ses,
    {
      provider_class: 'N',
      own_message_id: false,
      throttle_wait: false,
      wrong_key: { secret_access_key: newSecret() },
    },
  ],
];

describe.each(SUITE)('%s', (provider, adapter, traits) => {
  let target: MailApiTarget;
  const world = () => target;
  beforeAll(async () => {
    target = await startTarget(adapter, provider);
  });
  afterEach(() => target.afterEach());
  afterAll(() => target.stop());

  sends(world, traits);
  proof(world, traits);
  limits(world);
  verifying(world, traits);
  webhooks(world);
});

/** One suite for every adapter of an SMS API, against the sandbox that speaks its provider's dialect. */
import { afterAll, afterEach, beforeAll, describe } from 'vitest';
import type { Adapter } from '../../src/channels/channel.ts';
import { quo } from '../../src/channels/quo/adapter.ts';
import type { SmsProviderName } from '../../src/channels/sandbox-api/message.ts';
import { telnyx } from '../../src/channels/telnyx/adapter.ts';
import { twilio } from '../../src/channels/twilio/adapter.ts';
import type { SmsMessage } from '../../src/kernel/message.ts';
import { startTarget } from './api-target.ts';
import { newSecret } from './sink-target.ts';
import { proof, type SmsTarget, type SmsTraits, sends, verifying, webhooks } from './sms-api-suite.ts';

const CALLBACK = 'https://example.test/hooks/abc';

const SUITE: [SmsProviderName, Adapter, SmsTraits][] = [
  [
    'twilio',
    twilio,
    {
      throttle_wait: true,
      wrong_key: { secret: newSecret() },
      echo: { status_callback: CALLBACK },
      tells_failures: true,
      signs_time: false,
    },
  ],
  [
    'telnyx',
    telnyx,
    {
      throttle_wait: true,
      wrong_key: { api_key: newSecret() },
      echo: { webhook_url: CALLBACK },
      tells_failures: true,
      signs_time: true,
    },
  ],
  [
    'quo',
    quo,
    {
      throttle_wait: false,
      wrong_key: { api_key: newSecret() },
      tells_failures: false,
      signs_time: true,
    },
  ],
];

describe.each(SUITE)('%s', (provider, adapter, traits) => {
  let target: SmsTarget;
  const world = () => target;
  beforeAll(async () => {
    target = await startTarget<SmsMessage>(adapter, provider);
  });
  afterEach(() => target.afterEach());
  afterAll(() => target.stop());

  sends(world, traits);
  proof(world);
  verifying(world, traits);
  webhooks(world, traits);
});

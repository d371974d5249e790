import { describe, expect, it } from 'vitest';
import { resendWebhook } from './webhook.ts';

/** The worked example of Svix's manual on verifying by hand. */
const EXAMPLE = {
  secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  headers: {
    'svix-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    'svix-timestamp': '1614265330',
    'svix-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  },
  body: Buffer.from('{"test": 2432232314}'),
};
const NOW = 1_614_265_330_000;

describe('webhooks signed by Svix', () => {
  const receive = (headers: Record<string, string>, secrets = [EXAMPLE.secret]) =>
    resendWebhook.receive({ headers, body: EXAMPLE.body }, { secrets, now: NOW });

  it('the published example is believed; what it says is no event', () => {
    expect(receive(EXAMPLE.headers)).toMatchObject({ kind: 'refused', reason: 'unreadable' });
  });

  it('any one of several signatures is enough, as while a secret is rotated', () => {
    const several = `v1,${Buffer.alloc(32).toString('base64')} v2,xyz ${EXAMPLE.headers['svix-signature']}`;
    expect(receive({ ...EXAMPLE.headers, 'svix-signature': several })).toMatchObject({
      reason: 'unreadable',
    });
    expect(receive(EXAMPLE.headers, ['whsec_b3RoZXI=', EXAMPLE.secret])).toMatchObject({
      reason: 'unreadable',
    });
  });

  it.each([
    ['another id', { 'svix-id': 'msg_other' }],
    ['another time', { 'svix-timestamp': '1614265331' }],
    [
      'a signature of no known version',
      { 'svix-signature': EXAMPLE.headers['svix-signature'].replace('v1', 'v2') },
    ],
  ])('%s is not', (_what, change) => {
    expect(receive({ ...EXAMPLE.headers, ...change })).toMatchObject({ reason: 'bad_signature' });
  });

  it('without a secret nothing is', () => {
    expect(receive(EXAMPLE.headers, [])).toMatchObject({ reason: 'no_secret' });
  });
});

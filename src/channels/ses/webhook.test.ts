import { generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { sesWebhook } from './webhook.ts';

const TOPIC = 'arn:aws:sns:us-east-1:123456789012:events';
const CERTIFICATE = 'https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123.pem';
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const PEM = publicKey.export({ type: 'spki', format: 'pem' }).toString();

/** Signed as the manual of SNS says: names and values in the order of the names, a line each. */
function envelope<Fields extends Record<string, string>>(fields: Fields, version: '1' | '2' = '1') {
  const all: Record<string, string> = {
    MessageId: 'm-1',
    Timestamp: '2018-03-26T17:58:59.675Z',
    TopicArn: TOPIC,
    ...fields,
  };
  const written = Object.keys(all)
    .sort()
    .map((name) => `${name}\n${all[name]}\n`)
    .join('');
  const Signature = sign(version === '1' ? 'sha1' : 'sha256', Buffer.from(written), privateKey).toString(
    'base64',
  );
  return { ...fields, ...all, SignatureVersion: version, Signature, SigningCertURL: CERTIFICATE };
}

const BOUNCE = {
  notificationType: 'Bounce',
  bounce: {
    bounceType: 'Permanent',
    bounceSubType: 'General',
    timestamp: '2016-01-27T14:59:44.101Z',
    bouncedRecipients: [{ emailAddress: 'jane@example.com', diagnosticCode: 'smtp; 550 5.1.1 User unknown' }],
  },
  mail: {
    messageId: '0000-1',
    destination: ['jane@example.com'],
    tags: { touch_id: ['t'], touch_key: ['t_2'] },
  },
};

describe('events of SES by way of SNS', () => {
  const receive = (body: object, trust: { secrets?: string[]; certificates?: Map<string, string> } = {}) =>
    sesWebhook.receive(
      { headers: {}, body: Buffer.from(JSON.stringify(body)) },
      { secrets: [TOPIC], now: Date.now(), certificates: new Map([[CERTIFICATE, PEM]]), ...trust },
    );
  const notification = (version: '1' | '2' = '1') =>
    envelope({ Type: 'Notification', Message: JSON.stringify(BOUNCE) }, version);

  it.each(['1', '2'] as const)('a notification of signature version %s is believed and read', (version) => {
    expect(receive(notification(version))).toEqual({
      kind: 'events',
      ignored: 0,
      events: [
        {
          type: 'bounced',
          permanence: 'hard',
          event_id: 'm-1',
          provider_id: '0000-1',
          touch_id: 't',
          idempotency_key: 't.2',
          recipient: 'jane@example.com',
          at: new Date('2016-01-27T14:59:44.101Z'),
          detail: 'General: smtp; 550 5.1.1 User unknown',
        },
      ],
    });
  });

  it('without its certificate it asks for it, from Amazon alone', () => {
    const call = notification();
    expect(receive(call, { certificates: new Map() })).toEqual({ kind: 'certificate', url: CERTIFICATE });
    for (const url of [
      'https://sns.us-east-1.amazonaws.com.evil.example/x.pem',
      'http://sns.us-east-1.amazonaws.com/x.pem',
      'https://sns.us-east-1.amazonaws.com:8443/x.pem',
      'https://example.com/sns.us-east-1.amazonaws.com/x.pem',
      'file:///etc/passwd',
      '',
    ]) {
      const certificates = new Map([[url, PEM]]);
      const got = receive({ ...call, SigningCertURL: url }, { certificates });
      expect(got, url).toMatchObject({ kind: 'refused', reason: 'bad_signature' });
    }
  });

  it('a message of another topic is refused, however well it is signed', () => {
    expect(receive(notification(), { secrets: [`${TOPIC}-2`] })).toMatchObject({ reason: 'bad_signature' });
    expect(receive(notification(), { secrets: [] })).toMatchObject({ reason: 'no_secret' });
  });

  it('a changed message is refused', () => {
    const call = notification();
    expect(receive({ ...call, Message: call.Message.replace('Permanent', 'Transient') })).toMatchObject({
      reason: 'bad_signature',
    });
  });

  it('a subscription is confirmed at Amazon alone', () => {
    const confirm = (SubscribeURL: string) =>
      envelope({ Type: 'SubscriptionConfirmation', Message: 'Confirm', Token: 'x', SubscribeURL });
    const url = 'https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription';
    expect(receive(confirm(url))).toEqual({ kind: 'confirm', url });
    expect(receive(confirm('https://evil.example/'))).toMatchObject({
      kind: 'refused',
      reason: 'unreadable',
    });
  });
});

import { describe, expect, it } from 'vitest';
import { sendgridWebhook } from './webhook.ts';

/** A call signed by SendGrid itself, as its own client library publishes it. */
const KEY =
  'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g==';
const HEADERS = {
  'x-twilio-email-event-webhook-signature':
    'MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM=',
  'x-twilio-email-event-webhook-timestamp': '1600112502',
};
const EVENT = {
  email: 'hello@world.com',
  event: 'dropped',
  reason: 'Bounced Address',
  sg_event_id: 'ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA',
  sg_message_id: 'LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0',
  'smtp-id': '<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>',
  timestamp: 1600112492,
};
const BODY = `${JSON.stringify([EVENT])}\r\n`;
const NOW = 1_600_112_502_000;

describe('webhooks signed by SendGrid', () => {
  const receive = (body = BODY, headers: Record<string, string> = HEADERS, secrets = [KEY]) =>
    sendgridWebhook.receive({ headers, body: Buffer.from(body) }, { secrets, now: NOW });

  it('a true call is believed and read', () => {
    expect(receive()).toEqual({
      kind: 'events',
      ignored: 0,
      events: [
        {
          type: 'bounced',
          permanence: 'hard',
          event_id: EVENT.sg_event_id,
          provider_id: 'LRzXl_NHStOGhQ4kofSm_A',
          recipient: 'hello@world.com',
          at: new Date(1_600_112_492_000),
          detail: 'Bounced Address',
        },
      ],
    });
  });

  it('one byte more or less, another time, another key, or none, is not', () => {
    const other = { ...HEADERS, 'x-twilio-email-event-webhook-timestamp': '1600112503' };
    expect(receive(BODY.trimEnd())).toMatchObject({ reason: 'bad_signature' });
    expect(receive(BODY, other)).toMatchObject({ reason: 'bad_signature' });
    expect(receive(BODY, HEADERS, ['bm8ga2V5'])).toMatchObject({ reason: 'bad_signature' });
    expect(receive(BODY, HEADERS, [])).toMatchObject({ reason: 'no_secret' });
  });
});

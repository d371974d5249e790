import { describe, expect, it } from 'vitest';
import { SENDER_CHANNELS } from '../kernel/channels.ts';
import { readAddresses } from './address.ts';

const read = (
  channel: (typeof SENDER_CHANNELS)[number],
  from_address: string,
  reply_to: string | null = null,
) => readAddresses(channel, { from_address, reply_to });

describe('the address a sender sends from', () => {
  it.each([
    ['email', 'ana@example.com', 'ana@example.com'],
    ['sms', '+1 (415) 555-0100', '+14155550100'],
    ['whatsapp', '+49 30 123456', '+4930123456'],
    ['whatsapp_lite', '+4930123456', '+4930123456'],
    ['telegram', '@example_bot', 'example_bot'],
    ['webhook', 'Cadenza production', 'Cadenza production'],
  ] as const)('of %s: %s', (channel, given, kept) => {
    expect(read(channel, given)).toEqual({ addresses: { from_address: kept, reply_to: null }, errors: [] });
  });

  it.each([
    ['email', '+14155550100'],
    ['email', `${'a'.repeat(250)}@example.com`],
    ['sms', '4155550100'],
    ['sms', 'ana@example.com'],
    ['sms', '+0155550100'],
    ['sms', '+1415555010012345'],
    ['whatsapp', 'whatsapp:+14155550100'],
    ['telegram', 'bot'],
    ['webhook', 'line\nbreak'],
  ] as const)('of %s is not %s, and the problem says what would be', (channel, given) => {
    const [error] = read(channel, given).errors;
    expect(error).toMatchObject({ field: 'from.address', code: `invalid_${channel}_address` });
    expect(error!.message.length).toBeGreaterThan(20);
  });

  it('a reply address is for e-mail alone', () => {
    expect(read('email', 'ana@example.com', 'bob@example.com').errors).toEqual([]);
    expect(read('sms', '+14155550100', 'bob@example.com').errors).toMatchObject([
      { field: 'reply_to', code: 'not_for_channel' },
    ]);
  });

  it('every channel that a sender may have takes some address', () => {
    for (const channel of SENDER_CHANNELS) expect(read(channel, ' ').errors).toHaveLength(1);
  });
});

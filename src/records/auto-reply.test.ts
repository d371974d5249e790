import { describe, expect, it } from 'vitest';
import { isAutoReply } from './auto-reply.ts';
import { readMessageProperties } from './message-properties.ts';

describe('an answering machine', () => {
  for (const headers of [
    { 'Auto-Submitted': 'auto-replied' },
    { 'auto-submitted': 'Auto-Generated; owner="x"' },
    { 'X-Autoreply': 'yes' },
    { 'X-Autorespond': 'away' },
    { Precedence: 'auto_reply' },
    { Subject: 'Automatic reply: your offer' },
    { Subject: 'Out of Office' },
    { 'Auto-Submitted': ['auto-replied'] },
  ])
    it(`[INB-2] is known by ${JSON.stringify(headers)}`, () => expect(isAutoReply(headers)).toBe(true));

  for (const headers of [
    {},
    { 'Auto-Submitted': 'no' },
    { 'X-Autoreply': 'no' },
    { Precedence: 'bulk' },
    { Subject: 'Re: out of office furniture' },
    { 'Auto-Submitted': 7 },
  ])
    it(`[INB-2] is not known by ${JSON.stringify(headers)}`, () => expect(isAutoReply(headers)).toBe(false));
});

describe('the headers of a message that came in', () => {
  it('[INB-2] say whether a machine wrote it, and are not kept', () => {
    const read = readMessageProperties('message_received', {
      channel: 'email',
      headers: { 'X-Autoreply': 'yes' },
    });
    expect(read).toEqual({ channel: 'email', auto_reply: true });
    expect(readMessageProperties('message_received', { headers: { From: 'a@example.com' } })).toEqual({});
  });

  it('[INB-2] do not overrule who tells it', () => {
    const headers = { 'X-Autoreply': 'yes' };
    expect(readMessageProperties('message_received', { auto_reply: false, headers })).toEqual({
      auto_reply: false,
    });
  });

  it('of any other event stay as they were told', () => {
    expect(readMessageProperties('signed_up', { headers: { a: 'b' } })).toEqual({ headers: { a: 'b' } });
  });
});

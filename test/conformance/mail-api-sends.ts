/** Sending over an e-mail API: what arrives is what was composed, and no outcome says more than is so. */
import { expect, it } from 'vitest';
import { type ApiTraits, faults } from './api-suite.ts';
import type { MailApiTarget } from './api-target.ts';
import { request } from './email-target.ts';

const BOB = 'bob@example.test';

export interface Traits extends ApiTraits {
  provider_class: 'K' | 'L' | 'N';
  /** The provider leaves our Message-ID as it is. */
  own_message_id: boolean;
}

export function sends(world: () => MailApiTarget, traits: Traits): void {
  it('[EXE-6] a message arrives as it was composed, with its thread, its headers, its touch and its key', async () => {
    const { connect, accepted } = world();
    const message = request(BOB, {
      from: { name: 'Ädä "O" Lovelace', address: 'ada@example.test' },
      to: { name: 'Bob, Jr.', address: BOB },
      reply_to: { address: 'replies@example.test' },
      subject: 'Grüße aus München — 你好',
      text: 'Grüße.\n',
      html: '<p>Grüße — 你好</p>',
      in_reply_to: 'one@example.test',
      references: ['one@example.test', 'two@example.test'],
      headers: {
        'List-Unsubscribe': '<https://example.test/u/abc>',
        'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
        'Feedback-ID': 'a:b:c:d',
      },
    });
    const outcome = await connect().send(message);
    expect(outcome).toMatchObject({ kind: 'accepted', provider_id: expect.stringMatching(/\w+/) });
    const [taken, ...more] = await accepted(message.touch_id);
    expect(more).toEqual([]);
    expect(taken).toMatchObject({
      touch_id: message.touch_id,
      touch_key: message.idempotency_key,
      from: 'ada@example.test',
      to: BOB,
      reply_to: 'replies@example.test',
      text: 'Grüße.\n',
      html: '<p>Grüße — 你好</p>',
      subject: 'Grüße aus München — 你好',
      message_id: traits.own_message_id ? message.message.message_id : null,
    });
    const bare = taken!.id.replace(/^<|>$/g, '');
    const named = world().provider === 'mailgun' ? message.message.message_id : bare;
    expect(outcome).toMatchObject({ provider_id: named });
    const headers = new Map(
      Object.entries(taken!.headers).map(([name, value]) => [name.toLowerCase(), value]),
    );
    expect(headers.get('list-unsubscribe')).toBe('<https://example.test/u/abc>');
    expect(headers.get('list-unsubscribe-post')).toBe('List-Unsubscribe=One-Click');
    expect(headers.get('feedback-id')).toBe('a:b:c:d');
    expect(headers.get('in-reply-to')).toBe('<one@example.test>');
    expect(headers.get('references')).toBe('<one@example.test> <two@example.test>');
  });

  it('a sender name in any script arrives, or arrives encoded', async () => {
    const { connect, accepted } = world();
    const name = 'Ädä „O“ Lovelace 你好 '.repeat(3).trim();
    const message = request(BOB, { from: { name, address: 'ada@example.test' } });
    expect(await connect().send(message)).toMatchObject({ kind: 'accepted' });
    const [taken] = await accepted(message.touch_id);
    expect(decodedWords(String(taken!.extra.from_name))).toBe(name);
  });

  faults(world, (to = BOB, timeout_ms?: number) => request(to, {}, timeout_ms), BOB, traits);

  it('a refusal leaves the connection usable for the next message', async () => {
    const { sandbox, connect } = world();
    const connection = connect({ max_connections: 1 });
    sandbox.plan({ faults: [{ fault: 'address', match: '^unknown@' }] });
    for (const to of ['unknown@example.test', BOB, 'unknown@example.test', BOB]) {
      const outcome = await connection.send(request(to));
      expect(outcome.kind).toBe(to === BOB ? 'accepted' : 'refused');
    }
  });

  it("a domain that is not verified is the sender's fault", async () => {
    const message = request(BOB, { from: { address: 'ada@unverified.example.net' } });
    // Mailgun looks at the domain it is asked to send for, not at the sender's.
    const more = world().provider === 'mailgun' ? { domain: 'unverified.example.net' } : {};
    expect(await world().connect(more).send(message)).toMatchObject({
      kind: 'refused',
      reason: 'sender_rejected',
    });
  });

  it('an address beyond ASCII before the @ is refused here, one beyond it after goes out as punycode', async () => {
    const { connect, accepted } = world();
    const strange = await connect().send(request('bøb@example.test'));
    expect(strange).toMatchObject({ kind: 'refused', permanence: 'permanent' });
    const message = request('bob@münchen.example');
    expect(await connect().send(message)).toMatchObject({ kind: 'accepted' });
    expect((await accepted(message.touch_id))[0]).toMatchObject({ to: 'bob@xn--mnchen-3ya.example' });
  });

  it('nothing listening is not_started', async () => {
    const { connect, provider } = world();
    const config = { base_url: `http://127.0.0.1:1/${provider}` };
    expect(await connect(config).send(request(BOB))).toEqual({ kind: 'not_started', reason: 'ECONNREFUSED' });
  });
}

function decodedWords(text: string): string {
  return text
    .replace(/\?=\s+=\?/g, '?==?')
    .replace(/=\?UTF-8\?B\?([^?]*)\?=/g, (_, word: string) => Buffer.from(word, 'base64').toString());
}

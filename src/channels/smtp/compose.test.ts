import { createHash, createVerify, generateKeyPairSync } from 'node:crypto';
import PostalMime from 'postal-mime';
import { describe, expect, it } from 'vitest';
import type { EmailMessage } from '../../kernel/message.ts';
import { wireAddress } from '../mail/address.ts';
import { compose } from './compose.ts';

const message = (more: Partial<EmailMessage> = {}): EmailMessage => ({
  kind: 'email',
  from: { name: 'Ada', address: 'ada@example.com' },
  to: { address: 'bob@example.com' },
  subject: 'Hello',
  text: 'Hello.\n',
  message_id: '1.1@example.com',
  headers: {},
  ...more,
});

async function raw(more: Partial<EmailMessage>, dkim?: Parameters<typeof compose>[1]): Promise<Buffer> {
  const composed = await compose({ touch_id: 't', idempotency_key: 't.1', message: message(more) }, dkim);
  if (!composed.ok) throw new Error(composed.detail);
  return composed.raw;
}

const head = (source: Buffer): string => source.toString('latin1').split('\r\n\r\n')[0]!;

describe('composing', () => {
  it('[EXE-6] a message carries our Message-ID, its thread, its touch and its key', async () => {
    const mail = await PostalMime.parse(
      await raw({ in_reply_to: 'a@b', references: ['a@b', 'c@d'], reply_to: { address: 'r@example.com' } }),
    );
    expect(mail).toMatchObject({
      messageId: '<1.1@example.com>',
      inReplyTo: '<a@b>',
      references: '<a@b> <c@d>',
    });
    expect(mail.replyTo?.[0]).toMatchObject({ address: 'r@example.com' });
    const header = (key: string) => mail.headers.find((one) => one.key === key)?.value;
    expect(header('x-cadenza-touch')).toBe('t');
    expect(header('x-cadenza-key')).toBe('t.1');
  });

  it('text, HTML, names and subjects in any script arrive as they were', async () => {
    const text = 'Grüße aus München — 你好 🎉\n.\n..leading dots\n';
    const html = '<p>Grüße — 你好 🎉</p>';
    const subject = 'Ünïcödé 你好 🎉 '.repeat(8).trim();
    const mail = await PostalMime.parse(
      await raw({ text, html, subject, from: { name: 'Ädä, "O"', address: 'a@b.c' } }),
    );
    expect(mail.text?.trim()).toBe(text.trim());
    expect(mail.html?.trim()).toBe(html);
    expect(mail.subject).toBe(subject);
    expect(mail.from).toMatchObject({ name: 'Ädä, "O"', address: 'a@b.c' });
  });

  it('every line is plain ASCII, ends in CRLF and is short enough for any server', async () => {
    const source = await raw({ text: `${'é'.repeat(5_000)}\nx\n`, html: `<p>${'a'.repeat(5_000)}</p>` });
    expect(source.toString('latin1')).toMatch(/^[\t\r\n -~]*$/);
    expect(source.toString('latin1').replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
    for (const line of source.toString('latin1').split('\r\n')) expect(line.length).toBeLessThanOrEqual(998);
  });

  it('a long List-Unsubscribe keeps its address in one piece', async () => {
    const url = `<https://example.com/u/${'t'.repeat(300)}>`;
    const list = `${url}, <mailto:unsubscribe@example.com>`;
    const headers = { 'List-Unsubscribe': list, 'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click' };
    const source = head(await raw({ headers }));
    expect(source).toContain(url);
    expect(source.replace(/\r\n(?=[ \t])/g, '')).toContain(`List-Unsubscribe: ${list}`);
  });

  it('a domain beyond ASCII goes out as punycode in envelope and header', async () => {
    const composed = await compose(
      { touch_id: 't', idempotency_key: 't.1', message: message({ to: { address: 'bob@münchen.example' } }) },
      undefined,
    );
    if (!composed.ok) throw new Error(composed.detail);
    expect(composed.envelope.to).toEqual({ address: 'bob@xn--mnchen-3ya.example', needs_smtputf8: false });
    expect(head(composed.raw)).toContain('To: bob@xn--mnchen-3ya.example');
    expect(wireAddress('jörg@example.com')).toEqual({ address: 'jörg@example.com', needs_smtputf8: true });
  });

  it('what is no address is refused', async () => {
    const broken = [
      '',
      '@',
      'bob',
      'bob@',
      '@x.y',
      'a b@x.y',
      'a@b@x.y',
      '<a@x.y>',
      'a@x.y, b@x.y',
      'a@x .y',
      `${'a'.repeat(65)}@x.y`,
    ];
    for (const address of broken) {
      expect(wireAddress(address), address).toBeNull();
      const composed = await compose(
        { touch_id: 't', idempotency_key: 't.1', message: message({ to: { address } }) },
        undefined,
      );
      expect(composed).toMatchObject({ ok: false, reason: 'address_rejected' });
    }
  });

  it('a file or an address named as content is text and nothing is read', async () => {
    const mail = await PostalMime.parse(
      await raw({ text: 'file:///etc/passwd', html: '<img src="file:///etc/passwd">' }),
    );
    expect(mail.text?.trim()).toBe('file:///etc/passwd');
    expect(mail.attachments).toEqual([]);
  });
});

describe('DKIM', () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const dkim = {
    domain: 'example.com',
    selector: 's1',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
  const headers = {
    'List-Unsubscribe': '<https://example.com/u/1>',
    'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
    'Feedback-ID': 'a:b:c',
  };

  it('a signature verifies and covers both List-Unsubscribe headers', async () => {
    const source = await raw({ headers, subject: 'Grüße', html: '<p>x  y </p>\n\n\n' }, dkim);
    const { valid, signed } = verifyDkim(
      source.toString('latin1'),
      publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    );
    expect(valid).toBe(true);
    for (const name of [
      'from',
      'to',
      'subject',
      'date',
      'message-id',
      'list-unsubscribe',
      'list-unsubscribe-post',
      'feedback-id',
    ]) {
      expect(signed).toContain(name);
    }
  });

  it('a changed body or header does not verify', async () => {
    const source = (await raw({ headers }, dkim)).toString('latin1');
    const key = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    expect(verifyDkim(source.replace('Hello.', 'Hellp.'), key).valid).toBe(false);
    expect(verifyDkim(source.replace('/u/1', '/u/2'), key).valid).toBe(false);
  });
});

/** RFC 6376 with relaxed/relaxed, written from the standard and not from the signer. */
function verifyDkim(source: string, publicKey: string): { valid: boolean; signed: string[] } {
  const split = source.indexOf('\r\n\r\n');
  const fields = source
    .slice(0, split)
    .split(/\r\n(?![ \t])/)
    .map((field) => {
      const colon = field.indexOf(':');
      return { name: field.slice(0, colon).toLowerCase().trim(), value: field.slice(colon + 1) };
    });
  const relaxed = (name: string, value: string): string =>
    `${name}:${value
      .replace(/\r\n/g, '')
      .replace(/[ \t]+/g, ' ')
      .trim()}`;
  const signature = fields.find(({ name }) => name === 'dkim-signature')!.value;
  const tags = Object.fromEntries(
    signature.split(';').map((tag) => {
      const [key, ...rest] = tag.split('=');
      return [key!.trim(), rest.join('=').replace(/\s+/g, '')];
    }),
  ) as Record<'h' | 'bh' | 'b', string>;
  const body = source
    .slice(split + 4)
    .replace(/[ \t]+(?=\r\n|$)/g, '')
    .replace(/[ \t]+/g, ' ')
    .replace(/(\r\n)*$/, '\r\n');
  const signed = tags.h.toLowerCase().split(':');
  const rest = [...fields].reverse();
  const lines = signed.flatMap((name) => {
    const at = rest.findIndex((field) => field.name === name);
    return at < 0 ? [] : rest.splice(at, 1).map(({ value }) => relaxed(name, value));
  });
  const unsigned = relaxed('dkim-signature', signature.replace(/(\bb=)[^;]*$/, '$1'));
  const verifier = createVerify('RSA-SHA256').update([...lines, unsigned].join('\r\n'), 'latin1');
  const bodyHash = createHash('sha256').update(body, 'latin1').digest('base64');
  return { valid: bodyHash === tags.bh && verifier.verify(publicKey, tags.b, 'base64'), signed };
}

/**
 * From an e-mail as plain data to the bytes of RFC 5322, signed when the sender has a DKIM key. What
 * could smuggle a line into a header is refused before a connection is used; nothing is cleaned silently.
 */
import { createHash } from 'node:crypto';
import DKIM from 'nodemailer/lib/dkim';
import MailComposer from 'nodemailer/lib/mail-composer';
import type { EmailMessage } from '../../kernel/message.ts';
import type { SendRequest } from '../channel.ts';
import type { WireAddress } from '../mail/address.ts';
import { checkEmail, KEY_HEADER, TOUCH_HEADER, type Unsendable } from '../mail/check.ts';
import type { SmtpConfig } from './config.ts';

/** RFC 8058 asks for both List-Unsubscribe headers under the signature; the library's own list lacks the second. */
const SIGNED_HEADERS = [
  'From',
  'Sender',
  'Reply-To',
  'Subject',
  'Date',
  'Message-ID',
  'To',
  'Cc',
  'MIME-Version',
  'Content-Type',
  'Content-Transfer-Encoding',
  'In-Reply-To',
  'References',
  'List-Id',
  'List-Help',
  'List-Unsubscribe',
  'List-Unsubscribe-Post',
  'Feedback-ID',
].join(':');

export interface Composed {
  ok: true;
  envelope: { from: WireAddress; to: WireAddress };
  raw: Buffer;
}

/** The bytes of one message, or why there can be none. Async only for the signature. */
export async function compose(
  request: Pick<SendRequest<EmailMessage>, 'touch_id' | 'idempotency_key' | 'message'>,
  dkim: SmtpConfig['dkim'],
): Promise<Composed | Unsendable> {
  const checked = checkEmail(request);
  if (!checked.ok) return checked;
  const { from, to, reply_to } = checked;
  const unsigned = await build(request, {
    from: from.address,
    to: to.address,
    replyTo: reply_to?.address,
  });
  const raw = dkim ? await sign(unsigned, dkim) : unsigned;
  return { ok: true, envelope: { from, to }, raw };
}

function build(
  {
    message,
    touch_id,
    idempotency_key,
  }: Pick<SendRequest<EmailMessage>, 'touch_id' | 'idempotency_key' | 'message'>,
  wire: { from: string; to: string; replyTo: string | undefined },
): Promise<Buffer> {
  const address = (name: string | undefined, at: string) => ({ name: name ?? '', address: at });
  const composer = new MailComposer({
    from: address(message.from.name, wire.from),
    to: address(message.to.name, wire.to),
    ...(wire.replyTo === undefined ? {} : { replyTo: address(message.reply_to?.name, wire.replyTo) }),
    subject: message.subject,
    messageId: `<${message.message_id}>`,
    ...(message.in_reply_to === undefined ? {} : { inReplyTo: `<${message.in_reply_to}>` }),
    ...(message.references?.length ? { references: message.references.map((id) => `<${id}>`) } : {}),
    headers: { ...message.headers, [TOUCH_HEADER]: touch_id, [KEY_HEADER]: idempotency_key },
    text: message.text,
    ...(message.html === undefined ? {} : { html: message.html }),
    // The boundary belongs to the key, not to chance: the same touch gives the same parts.
    baseBoundary: createHash('sha256').update(idempotency_key).digest('hex').slice(0, 24),
    newline: 'win',
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return new Promise((resolve, reject) => {
    composer.compile().build((error, raw) => (error ? reject(error) : resolve(raw as Buffer)));
  });
}

async function sign(raw: Buffer, dkim: NonNullable<SmtpConfig['dkim']>): Promise<Buffer> {
  const signer = new DKIM({
    domainName: dkim.domain,
    keySelector: dkim.selector,
    privateKey: dkim.private_key,
    headerFieldNames: SIGNED_HEADERS,
  });
  const chunks: Buffer[] = [];
  for await (const chunk of signer.sign(raw)) chunks.push(chunk as Buffer);
  const signed = Buffer.concat(chunks);
  // The library leaves the signature out when the key does not work; unsigned mail would be sent unnoticed.
  if (!signed.subarray(0, 15).toString('latin1').startsWith('DKIM-Signature:')) {
    throw new Error('The DKIM key does not sign.');
  }
  return signed;
}

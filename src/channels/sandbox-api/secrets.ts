/** Credentials of the accounts: drawn once for a directory, kept there, in the form each provider gives them out. */
import { generateKeyPairSync, randomBytes, randomInt, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { PROVIDERS, type ProviderName } from './message.ts';

const SecretsSchema = z.object({
  /** The API key, or the access key id. */
  key: z.string(),
  /** Second half, where there is one. */
  secret: z.string().optional(),
  /** What webhooks are signed or called with, where that is no key pair. */
  webhook: z.string(),
  private_key: z.string().optional(),
  public_key: z.string().optional(),
});
export type Secrets = z.infer<typeof SecretsSchema>;

const Kept = z.partialRecord(z.enum(PROVIDERS), SecretsSchema);

const word = (bytes: number) => randomBytes(bytes).toString('base64url').replaceAll('-', 'x');

const digits = (count: number) =>
  Array.from({ length: count }, (_, i) => randomInt(i === 0 ? 1 : 0, 10)).join('');

const DRAW: Record<ProviderName, () => Secrets> = {
  resend: () => ({ key: `re_${word(24)}`, webhook: `whsec_${randomBytes(24).toString('base64')}` }),
  postmark: () => ({ key: randomUUID(), webhook: `postmark:${word(24)}` }),
  sendgrid: () => ({ key: `SG.${word(16)}.${word(32)}`, webhook: '', ...keyPair('ec') }),
  mailgun: () => ({
    key: `${randomBytes(16).toString('hex')}-sandbox`,
    webhook: randomBytes(16).toString('hex'),
  }),
  brevo: () => ({ key: `xkeysib-${randomBytes(32).toString('hex')}-${word(12)}`, webhook: word(24) }),
  ses: () => ({
    key: `AKIA${randomBytes(10).toString('hex').toUpperCase().slice(0, 16)}`,
    secret: randomBytes(30).toString('base64'),
    webhook: 'arn:aws:sns:eu-west-1:000000000000:sandbox-events',
    ...keyPair('rsa'),
  }),
  twilio: () => {
    const token = randomBytes(16).toString('hex');
    return { key: `AC${randomBytes(16).toString('hex')}`, secret: token, webhook: token };
  },
  telnyx: () => ({ key: `KEY${word(24)}`, webhook: '', ...keyPair('ed25519') }),
  quo: () => ({ key: word(24), webhook: randomBytes(32).toString('base64') }),
  // The second half is the number's id; the account's own is one more.
  whatsapp_cloud: () => ({
    key: `EAA${word(60)}`,
    secret: digits(15),
    webhook: randomBytes(16).toString('hex'),
  }),
  waha: () => ({ key: word(24), webhook: word(24) }),
  // The second half is the bot's name.
  telegram_bot: () => ({
    key: `${digits(10)}:${word(27)}`,
    secret: `sandbox_${digits(6)}_bot`,
    webhook: word(24),
  }),
  webhook: () => ({ key: `whsec_${randomBytes(32).toString('base64')}`, webhook: '' }),
};

function keyPair(type: 'ec' | 'rsa' | 'ed25519'): { private_key: string; public_key: string } {
  const pair =
    type === 'ec'
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : type === 'rsa'
        ? generateKeyPairSync('rsa', { modulusLength: 2_048 })
        : generateKeyPairSync('ed25519');
  return {
    private_key: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    public_key: pair.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
}

export function openSecrets(dir: string): Record<ProviderName, Secrets> {
  mkdirSync(dir, { recursive: true });
  const path = join(dir, 'accounts.json');
  const kept = existsSync(path) ? Kept.parse(JSON.parse(readFileSync(path, 'utf8'))) : {};
  // A provider that an earlier version did not play gets its account now.
  const all = Object.fromEntries(PROVIDERS.map((name) => [name, kept[name] ?? DRAW[name]()]));
  if (PROVIDERS.some((name) => kept[name] === undefined))
    writeFileSync(path, `${JSON.stringify(all, null, 2)}\n`, { mode: 0o600 });
  return all as Record<ProviderName, Secrets>;
}

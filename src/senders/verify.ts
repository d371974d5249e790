/** Trying a sender with its provider, without sending anything. No transaction is open meanwhile (I11). */
import type { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';
import { notFound, Problem } from '../kernel/problem.ts';
import { audit } from '../tenancy/audit.ts';
import type { Context } from '../tenancy/context.ts';
import { type Secrets, SecretUnreadable } from '../tenancy/secrets.ts';
import { type ConfigValues, decryptedConfig, withoutSecrets } from './credentials.ts';
import { type Providers, providerOf, type Verification } from './provider.ts';
import { noteReached, noteUnreachable } from './reach.ts';
import { type SenderSettings, senderSettings } from './senders.ts';
import { getSender, type Sender } from './show.ts';

/** For all checks together. */
const VERIFY_TIMEOUT_MS = 15_000;

export type Verified = { sender: Sender } & Pick<Verification, 'detail' | 'checks'>;

/** @throws Problem not_found, conflict (archived), sender_verification_failed with `checks` */
export async function verifySender(
  db: Database,
  secrets: Secrets,
  providers: Providers,
  ctx: Context,
  id: Uuid,
): Promise<Verified> {
  const sender = await senderSettings(db, ctx.org, id);
  if (!sender) throw notFound('sender', id);
  if (sender.status === 'archived') throw new Problem('conflict', 'The sender is archived');
  const provider = providerOf(providers, sender.provider);
  const config = opened(secrets, ctx.org, sender);
  const found = await provider.verify(config, {
    timeout_ms: VERIFY_TIMEOUT_MS,
    from: sender.from_address,
  });
  const clean = (text: string) => withoutSecrets(text, config, provider.secret_fields);
  const detail = clean(found.detail);
  const checks = found.checks.map((check) => ({ ...check, detail: clean(check.detail) }));
  await record(db, ctx, sender, found.ok);
  if (found.ok) await noteReached(db, ctx.org, id);
  else await noteUnreachable(db, ctx.org, id, detail);
  if (!found.ok) throw new Problem('sender_verification_failed', detail, { extra: { checks } });
  return { sender: await getSender(db, ctx, id), detail, checks };
}

function opened(secrets: Secrets, org: Uuid, sender: SenderSettings): ConfigValues {
  try {
    return decryptedConfig(secrets, org, sender);
  } catch (error) {
    if (!(error instanceof SecretUnreadable)) throw error;
    const detail = 'The stored credentials cannot be read any more; give them again.';
    throw new Problem('sender_verification_failed', detail, {
      extra: { checks: [{ name: 'credentials', ok: false, detail }] },
      cause: error,
    });
  }
}

async function record(db: Database, ctx: Context, sender: SenderSettings, ok: boolean): Promise<void> {
  await db.inOrg(ctx.org, async (tx) => {
    if (ok) {
      // Only what was tried: settings changed meanwhile are another version.
      await tx.run(sql`
        UPDATE senders SET verified_at = now() WHERE org_id = ${ctx.org} AND id = ${sender.id} AND version = ${sender.version}`);
    }
    await audit(tx, ctx, {
      action: 'sender.verify',
      subject_type: 'sender',
      subject_id: sender.id,
      data: { ok, version: sender.version },
    });
  });
}

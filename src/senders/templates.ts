/**
 * The approved templates of a sender's account [EXE-11]. Owns `whatsapp_templates`. In: a person's wish to fetch them anew.
 * Out: all of them as the provider has them, for people, and for publishing, which checks steps against them. What was
 * never fetched is not known, and not checked.
 */
import type { Database, Tx } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';
import { notFound, Problem } from '../kernel/problem.ts';
import { audit } from '../tenancy/audit.ts';
import type { Context } from '../tenancy/context.ts';
import type { Secrets } from '../tenancy/secrets.ts';
import { decryptedConfig, withoutSecrets } from './credentials.ts';
import { type Providers, providerOf, type Template } from './provider.ts';
import { senderSettings } from './senders.ts';

/** For all pages together. */
const SYNC_TIMEOUT_MS = 30_000;

export interface SyncedTemplates {
  /** Null: never. */
  synced_at: Date | null;
  items: Template[];
}

/** @throws Problem not_found, conflict (archived, or no templates there), templates_unavailable */
export async function syncTemplates(
  db: Database,
  secrets: Secrets,
  providers: Providers,
  ctx: Context,
  id: Uuid,
): Promise<SyncedTemplates> {
  const sender = await senderSettings(db, ctx.org, id);
  if (!sender) throw notFound('sender', id);
  if (sender.status === 'archived') throw new Problem('conflict', 'The sender is archived');
  const provider = providerOf(providers, sender.provider);
  if (!provider.templates) throw new Problem('conflict', `${sender.provider} keeps no templates`);
  const config = decryptedConfig(secrets, ctx.org, sender);
  // No transaction is open meanwhile (I11).
  const read = await provider.templates(config, { timeout_ms: SYNC_TIMEOUT_MS });
  if (!read.ok)
    throw new Problem('templates_unavailable', withoutSecrets(read.detail, config, provider.secret_fields));
  const templates = [...new Map(read.templates.map((one) => [`${one.name} ${one.language}`, one])).values()];
  return db.inOrg(ctx.org, async (tx) => {
    // Two at once: the second waits, and its list is the one that stays.
    await tx.run(sql`SELECT 1 FROM senders WHERE org_id = ${ctx.org} AND id = ${id} FOR NO KEY UPDATE`);
    await tx.run(sql`DELETE FROM whatsapp_templates WHERE org_id = ${ctx.org} AND sender_id = ${id}`);
    await tx.run(sql`
      INSERT INTO whatsapp_templates (org_id, sender_id, name, language, status, category, parameter_format, components)
      SELECT ${ctx.org}, ${id}, t.name, t.language, t.status, t.category, t.parameter_format, t.components
        FROM jsonb_to_recordset(${JSON.stringify(templates)}::jsonb)
          AS t(name text, language text, status text, category text, parameter_format text, components jsonb)`);
    await tx.run(
      sql`UPDATE senders SET templates_synced_at = now() WHERE org_id = ${ctx.org} AND id = ${id}`,
    );
    const data = { count: templates.length };
    await audit(tx, ctx, { action: 'sender.sync_templates', subject_type: 'sender', subject_id: id, data });
    return readAll(tx, ctx.org, id);
  });
}

/** @throws Problem not_found */
export async function listTemplates(
  db: Database,
  ctx: Pick<Context, 'org'>,
  id: Uuid,
): Promise<SyncedTemplates> {
  return db.inOrg(ctx.org, (tx) => readAll(tx, ctx.org, id));
}

async function readAll(tx: Tx, org: Uuid, id: Uuid): Promise<SyncedTemplates> {
  const sender = await tx.maybe<{ synced_at: Date | null }>(
    sql`SELECT templates_synced_at AS synced_at FROM senders WHERE org_id = ${org} AND id = ${id}`,
  );
  if (!sender) throw notFound('sender', id);
  const items = await tx.rows<Template>(sql`
    SELECT name, language, status, category, parameter_format, components
      FROM whatsapp_templates WHERE org_id = ${org} AND sender_id = ${id} ORDER BY name, language`);
  return { ...sender, items };
}

/** Of those senders whose templates are known. */
export async function knownTemplates(
  tx: Tx,
  org: Uuid,
  senders: readonly Uuid[],
): Promise<Map<Uuid, Template[]>> {
  const synced = await tx.rows<{ id: Uuid }>(sql`
    SELECT id FROM senders WHERE org_id = ${org} AND id = ANY (${[...senders]}) AND templates_synced_at IS NOT NULL`);
  const known = new Map<Uuid, Template[]>(synced.map(({ id }) => [id, []]));
  if (known.size === 0) return known;
  const rows = await tx.rows<Template & { sender_id: Uuid }>(sql`
    SELECT sender_id, name, language, status, category, parameter_format, components
      FROM whatsapp_templates WHERE org_id = ${org} AND sender_id = ANY (${[...known.keys()]})`);
  for (const { sender_id, ...template } of rows) known.get(sender_id)?.push(template);
  return known;
}

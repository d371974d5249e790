/**
 * The templates of a sender's account [EXE-11]. Owns `whatsapp_templates`. In: a person's wish to fetch them anew, or the
 * sender's turn to be asked (template-turns.ts). Out: all of them as the provider has them, for people, for publishing,
 * which checks steps against them, and for sending, which waits for those that are not approved. What was never fetched
 * is not known, and not checked.
 */
import type { Database, Tx } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';
import { notFound, Problem } from '../kernel/problem.ts';
import { audit } from '../tenancy/audit.ts';
import type { Context } from '../tenancy/context.ts';
import { type Secrets, SecretUnreadable } from '../tenancy/secrets.ts';
import { type ConfigValues, decryptedConfig, withoutSecrets } from './credentials.ts';
import { type Providers, providerOf, type Template } from './provider.ts';
import { type SenderSettings, senderSettings } from './senders.ts';

/** For all pages together. */
const SYNC_TIMEOUT_MS = 30_000;
const MAX_ERROR = 500;
const MAX_FAILING = 100;

export interface SyncedTemplates {
  /** Null: never. */
  synced_at: Date | null;
  /** Why the last fetch failed, and since when none has succeeded; null: it did not. */
  error: { detail: string; since: Date } | null;
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
  const fetched = await fetchTemplates(secrets, providers, ctx.org, sender, SYNC_TIMEOUT_MS);
  if (!fetched.ok) {
    await noteFailure(db, ctx.org, sender, fetched.detail);
    throw new Problem('templates_unavailable', fetched.detail);
  }
  return db.inOrg(ctx.org, async (tx) => {
    const changed = await keep(tx, ctx.org, sender, fetched.templates);
    if (changed === null) throw new Problem('conflict', 'The account was changed meanwhile; fetch again');
    const data = { count: fetched.templates.length };
    await audit(tx, ctx, { action: 'sender.sync_templates', subject_type: 'sender', subject_id: id, data });
    return readAll(tx, ctx.org, id);
  });
}

/**
 * The same in the sender's turn: what fails is noted with it, and no exception. In the audit trail stands only what has
 * changed, or it would tell every hour that nothing did.
 */
export async function syncInTurn(
  db: Database,
  secrets: Secrets,
  providers: Providers,
  ctx: Context,
  id: Uuid,
  timeout_ms: number,
): Promise<void> {
  const sender = await senderSettings(db, ctx.org, id);
  if (sender?.status !== 'active') return;
  const fetched = await fetchTemplates(secrets, providers, ctx.org, sender, timeout_ms);
  if (!fetched.ok) return noteFailure(db, ctx.org, sender, fetched.detail);
  await db.inOrg(ctx.org, async (tx) => {
    const changed = await keep(tx, ctx.org, sender, fetched.templates);
    if (changed === null || changed === 0) return;
    const data = { count: fetched.templates.length, changed };
    await audit(tx, ctx, { action: 'sender.sync_templates', subject_type: 'sender', subject_id: id, data });
  });
}

/** No transaction is open meanwhile (I11). @throws Problem conflict: its provider keeps none */
async function fetchTemplates(
  secrets: Secrets,
  providers: Providers,
  org: Uuid,
  sender: SenderSettings,
  timeout_ms: number,
): Promise<{ ok: true; templates: Template[] } | { ok: false; detail: string }> {
  const provider = providerOf(providers, sender.provider);
  if (!provider.templates) throw new Problem('conflict', `${sender.provider} keeps no templates`);
  let config: ConfigValues;
  try {
    config = decryptedConfig(secrets, org, sender);
  } catch (error) {
    if (!(error instanceof SecretUnreadable)) throw error;
    return { ok: false, detail: 'The stored credentials cannot be read any more; give them again.' };
  }
  const read = await provider.templates(config, { timeout_ms });
  if (!read.ok) return { ok: false, detail: withoutSecrets(read.detail, config, provider.secret_fields) };
  return {
    ok: true,
    templates: [...new Map(read.templates.map((one) => [`${one.name} ${one.language}`, one])).values()],
  };
}

/**
 * All of them, as they are now; writes what has changed and says how many that were. Null: the sender is of another
 * account by now, of which they say nothing. Two at once: the second waits, and its list is the one that stays.
 */
async function keep(
  tx: Tx,
  org: Uuid,
  { id, config }: SenderSettings,
  templates: readonly Template[],
): Promise<number | null> {
  const now = await tx.maybe<{ config: ConfigValues }>(
    sql`SELECT config FROM senders WHERE org_id = ${org} AND id = ${id} FOR NO KEY UPDATE`,
  );
  if (!now || otherAccount({ config }, now)) return null;
  const listed = sql`jsonb_to_recordset(${JSON.stringify(templates)}::jsonb)
    AS t(name text, language text, status text, category text, parameter_format text, components jsonb)`;
  const gone = await tx.run(sql`
    DELETE FROM whatsapp_templates w WHERE w.org_id = ${org} AND w.sender_id = ${id}
       AND NOT EXISTS (SELECT FROM ${listed} WHERE t.name = w.name AND t.language = w.language)`);
  const written = await tx.run(sql`
    INSERT INTO whatsapp_templates AS w (org_id, sender_id, name, language, status, category, parameter_format, components)
    SELECT ${org}, ${id}, t.name, t.language, t.status, t.category, t.parameter_format, t.components FROM ${listed}
    ON CONFLICT (org_id, sender_id, name, language) DO UPDATE
       SET status = excluded.status, category = excluded.category, parameter_format = excluded.parameter_format, components = excluded.components
     WHERE (w.status, w.category, w.parameter_format, w.components)
       IS DISTINCT FROM (excluded.status, excluded.category, excluded.parameter_format, excluded.components)`);
  await tx.run(sql`
    UPDATE senders SET templates_synced_at = now(), templates_error = NULL, templates_error_since = NULL
     WHERE org_id = ${org} AND id = ${id}`);
  return gone + written;
}

/** Of the account that was asked, not of one it was changed to meanwhile. The first moment stays while it goes on. */
async function noteFailure(
  db: Database,
  org: Uuid,
  { id, version }: SenderSettings,
  detail: string,
): Promise<void> {
  await db.inOrg(org, (tx) =>
    tx.run(sql`
      UPDATE senders SET templates_error = ${detail.slice(0, MAX_ERROR)}, templates_error_since = coalesce(templates_error_since, now())
       WHERE org_id = ${org} AND id = ${id} AND version = ${version}`),
  );
}

/** Templates of another account say nothing about this one. */
export function otherAccount(before: { config: ConfigValues }, next: { config: ConfigValues }): boolean {
  return ['waba_id', 'base_url'].some((field) => before.config[field] !== next.config[field]);
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
  const sender = await tx.maybe<{ synced_at: Date | null; detail: string | null; since: Date | null }>(sql`
    SELECT templates_synced_at AS synced_at, templates_error AS detail, templates_error_since AS since
      FROM senders WHERE org_id = ${org} AND id = ${id}`);
  if (!sender) throw notFound('sender', id);
  const items = await tx.rows<Template>(sql`
    SELECT name, language, status, category, parameter_format, components
      FROM whatsapp_templates WHERE org_id = ${org} AND sender_id = ${id} ORDER BY name, language`);
  const { synced_at, detail, since } = sender;
  return { synced_at, error: detail === null || since === null ? null : { detail, since }, items };
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

/** Of a template that some step names: the provider's word, or null: its account has no such one (any more). */
export interface TemplateState {
  sender_id: Uuid;
  name: string;
  language: string;
  status: string | null;
}

/** Of those senders whose templates are known, one row for each that is asked for. */
export async function templateStates(
  db: Database,
  org: Uuid,
  asked: readonly Pick<TemplateState, 'sender_id' | 'name' | 'language'>[],
): Promise<TemplateState[]> {
  return db.inOrg(org, (tx) =>
    tx.rows<TemplateState>(sql`
      SELECT a.sender_id, a.name, a.language, w.status
        FROM jsonb_to_recordset(${JSON.stringify(asked)}::jsonb) AS a(sender_id uuid, name text, language text)
        JOIN senders s ON s.org_id = ${org} AND s.id = a.sender_id AND s.templates_synced_at IS NOT NULL
        LEFT JOIN whatsapp_templates w ON w.org_id = ${org} AND w.sender_id = a.sender_id AND w.name = a.name AND w.language = a.language`),
  );
}

/** Senders whose templates cannot be fetched. */
export function failingSyncs(
  tx: Tx,
  org: Uuid,
): Promise<{ id: Uuid; name: string; detail: string; since: Date }[]> {
  return tx.rows(sql`
    SELECT id, name, templates_error AS detail, templates_error_since AS since FROM senders
     WHERE org_id = ${org} AND channel = 'whatsapp' AND status = 'active' AND templates_error IS NOT NULL ORDER BY id LIMIT ${MAX_FAILING}`);
}

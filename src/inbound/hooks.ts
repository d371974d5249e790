/**
 * Addresses that providers call [INB-3]: one a sender, or two while one replaces the other. Owns `hooks`. The address
 * holds 256 random bits and is shown once; it alone says whose call it is, never what is in the call.
 */
import { randomBytes } from 'node:crypto';
import type { Adapter } from '../channels/channel.ts';
import type { Database, Tx } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { SenderChannel } from '../kernel/channels.ts';
import { newId, type Uuid } from '../kernel/ids.ts';
import { listOrder, type Page, type PageRequest, pageOf, positionOf } from '../kernel/page.ts';
import { notFound, Problem } from '../kernel/problem.ts';
import { audit } from '../tenancy/audit.ts';
import { hashOf } from '../tenancy/authenticate.ts';
import { actorText, type Context } from '../tenancy/context.ts';
import type { Place, Secrets } from '../tenancy/secrets.ts';

/** Secrets that may be valid at once: the old one and the new. */
export const MAX_HOOK_SECRETS = 2;

export interface Hook {
  id: Uuid;
  sender_id: Uuid;
  provider: string;
  secret_count: number;
  created_by: string;
  created_at: Date;
}

/** What receiving needs. */
export interface OpenHook {
  org: Uuid;
  id: Uuid;
  sender_id: Uuid;
  provider: string;
  channel: SenderChannel;
  secrets: readonly string[];
}

const columns = sql`h.id, h.sender_id, s.provider, h.secret_count, h.created_by, h.created_at`;
const joined = sql`hooks h JOIN senders s ON s.org_id = h.org_id AND s.id = h.sender_id`;

export function hookSecretPlace(org: Uuid, id: Uuid): Place {
  return { org, table: 'hooks', id, field: 'secrets' };
}

function sealed(secrets: Secrets, org: Uuid, id: Uuid, values: readonly string[]): Buffer | null {
  return values.length === 0 ? null : secrets.seal(JSON.stringify(values), hookSecretPlace(org, id));
}

export interface HookDeps {
  db: Database;
  secrets: Secrets;
  adapters: ReadonlyMap<string, Adapter>;
}

/** @throws not_found (the sender), invalid_request (its provider calls nobody) */
export async function createHook(
  { db, secrets, adapters }: HookDeps,
  ctx: Context,
  input: { sender_id: Uuid; secrets: readonly string[] },
): Promise<Hook & { token: string }> {
  const id = newId();
  const token = randomBytes(32).toString('base64url');
  const hash = hashOf(token);
  return db.inOrg(ctx.org, async (tx) => {
    const sender = await tx.maybe<{ provider: string }>(
      sql`SELECT provider FROM senders WHERE org_id = ${ctx.org} AND id = ${input.sender_id}`,
    );
    if (!sender) throw notFound('sender', input.sender_id);
    if (!adapters.get(sender.provider)?.webhook) {
      const message = `${sender.provider} does not tell what becomes of a message by calling`;
      throw new Problem('invalid_request', message, {
        errors: [{ field: 'sender_id', code: 'no_webhook', message }],
      });
    }
    await tx.run(sql`INSERT INTO directory (hash, org_id, kind) VALUES (${hash}, ${ctx.org}, 'hook')`);
    await tx.run(sql`
      INSERT INTO hooks (org_id, id, sender_id, token_hash, secrets, secret_count, created_by)
      VALUES (${ctx.org}, ${id}, ${input.sender_id}, ${hash}, ${sealed(secrets, ctx.org, id, input.secrets)}, ${input.secrets.length},
        ${actorText(ctx.actor)})`);
    await note(tx, ctx, 'create', id, { sender_id: input.sender_id });
    return { ...(await find(tx, ctx.org, id)), token };
  });
}

async function find(tx: Tx, org: Uuid, id: Uuid): Promise<Hook> {
  const row = await tx.maybe<Hook>(
    sql`SELECT ${columns} FROM ${joined} WHERE h.org_id = ${org} AND h.id = ${id}`,
  );
  if (!row) throw notFound('hook', id);
  return row;
}

async function note(
  tx: Tx,
  ctx: Context,
  verb: string,
  id: Uuid,
  data: Record<string, unknown> = {},
): Promise<void> {
  await audit(tx, ctx, { action: `hook.${verb}`, subject_type: 'hook', subject_id: id, data });
}

const ORDER = listOrder('hooks', ['uuid']);

/** Newest first. */
export async function listHooks(
  db: Database,
  ctx: Pick<Context, 'org'>,
  page: PageRequest & { sender_id?: Uuid | undefined },
): Promise<Page<Hook>> {
  const after = positionOf(page, ORDER)?.[0];
  const rows = await db.inOrg(ctx.org, (tx) =>
    tx.rows<Hook>(sql`
      SELECT ${columns} FROM ${joined} WHERE h.org_id = ${ctx.org}
        ${after === undefined ? sql`` : sql`AND h.id < ${after}`}
        ${page.sender_id === undefined ? sql`` : sql`AND h.sender_id = ${page.sender_id}`}
       ORDER BY h.id DESC LIMIT ${page.limit + 1}`),
  );
  return pageOf(rows, page, ORDER, (row) => [row.id]);
}

/** All of them anew; what is not named is no longer believed. @throws not_found */
export async function replaceHookSecrets(
  { db, secrets }: HookDeps,
  ctx: Context,
  id: Uuid,
  values: readonly string[],
): Promise<Hook> {
  return db.inOrg(ctx.org, async (tx) => {
    const changed = await tx.run(sql`
      UPDATE hooks SET secrets = ${sealed(secrets, ctx.org, id, values)}, secret_count = ${values.length}
       WHERE org_id = ${ctx.org} AND id = ${id}`);
    if (changed === 0) throw notFound('hook', id);
    await note(tx, ctx, 'replace_secrets', id, { count: values.length });
    return find(tx, ctx.org, id);
  });
}

/** Its address is dead at once. @throws not_found */
export async function deleteHook(db: Database, ctx: Context, id: Uuid): Promise<void> {
  await db.inOrg(ctx.org, async (tx) => {
    const row = await tx.maybe<{ token_hash: Buffer }>(
      sql`DELETE FROM hooks WHERE org_id = ${ctx.org} AND id = ${id} RETURNING token_hash`,
    );
    if (!row) throw notFound('hook', id);
    await tx.run(sql`DELETE FROM directory WHERE hash = ${row.token_hash} AND org_id = ${ctx.org}`);
    await note(tx, ctx, 'delete', id);
  });
}

/** Before the organization is known only the directory is read [I7]. Null: no such address. */
export async function openHook({ db, secrets }: HookDeps, token: string): Promise<OpenHook | null> {
  const hash = hashOf(token);
  const known = await db.outsideOrgs((tx) =>
    tx.maybe<{ org_id: Uuid }>(sql`SELECT org_id FROM directory WHERE hash = ${hash} AND kind = 'hook'`),
  );
  if (!known) return null;
  const org = known.org_id;
  const row = await db.inOrg(org, (tx) =>
    tx.maybe<Omit<OpenHook, 'org' | 'secrets'> & { secrets: Buffer | null }>(sql`
      SELECT h.id, h.sender_id, s.provider, s.channel, h.secrets FROM ${joined} WHERE h.org_id = ${org} AND h.token_hash = ${hash}`),
  );
  if (!row) return null;
  const values: string[] =
    row.secrets === null ? [] : JSON.parse(secrets.open(row.secrets, hookSecretPlace(org, row.id)));
  return { ...row, org, secrets: values };
}

/** Under the newest master secret; gives how many were wrapped anew. */
export async function rewrapHookSecrets(db: Database, secrets: Secrets, org: Uuid): Promise<number> {
  return db.inOrg(org, async (tx) => {
    const rows = await tx.rows<{ id: Uuid; secrets: Buffer }>(
      sql`SELECT id, secrets FROM hooks WHERE org_id = ${org} AND secrets IS NOT NULL ORDER BY id FOR NO KEY UPDATE`,
    );
    let wrapped = 0;
    for (const row of rows) {
      const next = secrets.rewrap(row.secrets, hookSecretPlace(org, row.id));
      if (next !== null)
        wrapped += await tx.run(
          sql`UPDATE hooks SET secrets = ${next} WHERE org_id = ${org} AND id = ${row.id}`,
        );
    }
    return wrapped;
  });
}

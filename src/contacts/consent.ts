/**
 * What a contact has agreed to, a channel at a time. Owns `consents`, an append-only ledger (CON-2): the current
 * status is its newest entry. What a person has revoked only an explicit re-consent brings back, with evidence that
 * is newer than the revocation and was not used before (CON-3); no import, edit or bulk action writes here.
 */
import type { Database, Tx } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import { CHANNELS, type ConsentChannel } from '../kernel/channels.ts';
import { newId, type Uuid } from '../kernel/ids.ts';
import { listOrder, type Page, type PageRequest, pageOf, positionOf } from '../kernel/page.ts';
import { type FieldError, notFound, Problem } from '../kernel/problem.ts';
import { audit } from '../tenancy/audit.ts';
import type { Context } from '../tenancy/context.ts';
import { cleanText } from './clean-text.ts';
import { type ConsentStatus, type Contact, findContact } from './contact.ts';
import { wakeWaits } from './wake-waits.ts';

const ORDER = listOrder('consents', ['uuid']);

export interface ConsentEntry {
  id: Uuid;
  channel: ConsentChannel;
  status: ConsentStatus;
  /** Where it came from: `form`, `phone call`, `unsubscribe link`. */
  source: string;
  evidence: string | null;
  actor_type: string;
  actor_id: string;
  at: Date;
}

export interface ConsentInput {
  contact_id: Uuid;
  channel: ConsentChannel;
  source: string;
  /** What proves it: a form submission's id, a recording, the words. */
  evidence?: string | null | undefined;
  /** When the person said so. Default: now. */
  obtained_at?: Date | undefined;
}

/** Newest first. @throws not_found */
export async function listConsents(
  db: Database,
  ctx: Context,
  contactId: Uuid,
  page: PageRequest,
): Promise<Page<ConsentEntry>> {
  const before = positionOf(page, ORDER)?.[0] ?? null;
  const rows = await db.inOrg(ctx.org, async (tx) => {
    await findContact(tx, ctx, contactId);
    return tx.rows<ConsentEntry>(sql`SELECT id, channel, status, source, evidence, actor_type, actor_id, at FROM consents
      WHERE org_id = ${ctx.org} AND contact_id = ${contactId} AND (${before}::uuid IS NULL OR id < ${before})
      ORDER BY id DESC LIMIT ${page.limit + 1}`);
  });
  return pageOf(rows, page, ORDER, (row) => [row.id]);
}

/**
 * Records that the contact agreed. After a revocation, or an unsubscribe of its address, this is a re-consent: it
 * lifts that unsubscribe (no bounce, complaint or do-not-call) and asks for fresh evidence.
 * @throws not_found, invalid_request, conflict when the evidence is missing, older than the revocation or used before
 */
export async function grantConsent(db: Database, ctx: Context, input: ConsentInput): Promise<ConsentEntry> {
  const { source, evidence } = readSource(input);
  return db.inOrg(ctx.org, async (tx) => {
    const contact = await holdContact(tx, ctx, input.contact_id);
    const before = await newestConsent(tx, ctx, input);
    const unsubscribe = await unsubscribeOf(tx, ctx, contact, input.channel);
    const obtained = input.obtained_at ?? (await clock(tx));
    await refuseFuture(tx, obtained);
    const revoked = latest(before?.status === 'revoked' ? before.at : null, unsubscribe?.created_at ?? null);
    if (revoked !== null) {
      await requireFreshEvidence(tx, ctx, input, evidence, obtained, revoked);
      if (unsubscribe !== null)
        await tx.run(sql`DELETE FROM suppressions WHERE org_id = ${ctx.org} AND kind = ${unsubscribe.kind}
          AND address = ${unsubscribe.address} AND reason = 'unsubscribe'`);
    }
    const entry = await append(tx, ctx, { ...input, source, evidence }, 'granted', before);
    await audit(tx, ctx, {
      action: revoked === null ? 'consent.grant' : 'consent.regrant',
      subject_type: 'contact',
      subject_id: input.contact_id,
      data: { channel: input.channel, source, consent_id: entry.id, lifted: unsubscribe !== null },
    });
    await wakeWaits(tx, ctx.org, [input.contact_id]);
    return entry;
  });
}

/** Records that the contact does not agree any more. Nothing else: what a stop needs is the caller's part. */
export async function revokeConsent(tx: Tx, ctx: Context, input: ConsentInput): Promise<ConsentEntry> {
  const { source, evidence } = readSource(input);
  await holdContact(tx, ctx, input.contact_id);
  const before = await newestConsent(tx, ctx, input);
  const entry = await append(tx, ctx, { ...input, source, evidence }, 'revoked', before);
  await audit(tx, ctx, {
    action: 'consent.revoke',
    subject_type: 'contact',
    subject_id: input.contact_id,
    data: { channel: input.channel, source, consent_id: entry.id },
  });
  await wakeWaits(tx, ctx.org, [input.contact_id]);
  return entry;
}

type Written = ConsentInput & { source: string; evidence: string | null };

async function append(
  tx: Tx,
  ctx: Context,
  input: Written,
  status: ConsentStatus,
  before: ConsentEntry | null,
): Promise<ConsentEntry> {
  return tx.one<ConsentEntry>(sql`
    INSERT INTO consents (org_id, contact_id, channel, id, status, source, evidence, actor_type, actor_id, at)
    VALUES (${ctx.org}, ${input.contact_id}, ${input.channel}, ${idAfter(before)}, ${status}, ${input.source},
      ${input.evidence}, ${ctx.actor.type}, ${ctx.actor.id}, clock_timestamp())
    RETURNING id, channel, status, source, evidence, actor_type, actor_id, at`);
}

/** The newest entry is the one with the largest id: a process whose clock is behind must not write into the past. */
function idAfter(before: ConsentEntry | null): Uuid {
  if (before === null) return newId();
  const written = Number.parseInt(before.id.slice(0, 8) + before.id.slice(9, 13), 16);
  return newId(Math.max(Date.now(), written + 1));
}

/** One writer a contact: two would both be newest. */
async function holdContact(tx: Tx, ctx: Context, id: Uuid): Promise<Contact> {
  const held = await tx.maybe(
    sql`SELECT 1 FROM contacts WHERE org_id = ${ctx.org} AND id = ${id} FOR NO KEY UPDATE`,
  );
  if (held === null) throw notFound('contact', id);
  return findContact(tx, ctx, id);
}

async function newestConsent(
  tx: Tx,
  ctx: Context,
  { contact_id, channel }: Pick<ConsentInput, 'contact_id' | 'channel'>,
): Promise<ConsentEntry | null> {
  return tx.maybe<ConsentEntry>(sql`
    SELECT id, channel, status, source, evidence, actor_type, actor_id, at FROM consents
    WHERE org_id = ${ctx.org} AND contact_id = ${contact_id} AND channel = ${channel} ORDER BY id DESC LIMIT 1`);
}

interface Unsubscribe {
  kind: string;
  address: string;
  created_at: Date;
}

async function unsubscribeOf(
  tx: Tx,
  ctx: Context,
  contact: Contact,
  channel: ConsentChannel,
): Promise<Unsubscribe | null> {
  const kind = CHANNELS[channel].suppressed_as;
  if (kind === null) return null;
  return tx.maybe<Unsubscribe>(sql`SELECT kind, address, created_at FROM suppressions
    WHERE org_id = ${ctx.org} AND kind = ${kind} AND address = ${contact[kind]} AND reason = 'unsubscribe' FOR UPDATE`);
}

async function requireFreshEvidence(
  tx: Tx,
  ctx: Context,
  { contact_id, channel }: ConsentInput,
  evidence: string | null,
  obtained: Date,
  revoked: Date,
): Promise<void> {
  const refuse = (field: string, code: string, message: string) =>
    new Problem('conflict', message, { errors: [{ field, code, message }] });
  if (evidence === null)
    throw refuse(
      'evidence',
      'evidence_required',
      'The contact has opted out; only fresh evidence brings it back.',
    );
  if (obtained <= revoked)
    throw refuse(
      'obtained_at',
      'evidence_too_old',
      `The contact opted out on ${revoked.toISOString()}, after that.`,
    );
  const used =
    await tx.maybe(sql`SELECT 1 FROM consents WHERE org_id = ${ctx.org} AND contact_id = ${contact_id}
    AND channel = ${channel} AND evidence = ${evidence} LIMIT 1`);
  if (used !== null)
    throw refuse('evidence', 'evidence_used', 'This evidence was given before; a re-consent needs its own.');
}

async function clock(tx: Tx): Promise<Date> {
  return (await tx.one<{ now: Date }>(sql`SELECT clock_timestamp() AS now`)).now;
}

/** Clocks differ a little; a consent of next week is a mistake. */
const SKEW_MS = 5 * 60_000;

async function refuseFuture(tx: Tx, obtained: Date): Promise<void> {
  if (obtained.getTime() <= (await clock(tx)).getTime() + SKEW_MS) return;
  const message = 'This time has not come yet.';
  throw new Problem('invalid_request', message, {
    errors: [{ field: 'obtained_at', code: 'future', message }],
  });
}

const MAX_SOURCE = 200;
const MAX_EVIDENCE = 10_000;

function readSource(input: ConsentInput): { source: string; evidence: string | null } {
  const source = cleanText(input.source);
  const evidence = cleanText(input.evidence ?? '') || null;
  const errors: FieldError[] = [];
  if (source === '' || source.length > MAX_SOURCE)
    errors.push({ field: 'source', code: 'invalid_source', message: `1 to ${MAX_SOURCE} characters.` });
  if (evidence !== null && evidence.length > MAX_EVIDENCE)
    errors.push({ field: 'evidence', code: 'too_long', message: `At most ${MAX_EVIDENCE} characters.` });
  if (errors.length > 0) throw new Problem('invalid_request', 'The consent is not valid.', { errors });
  return { source, evidence };
}

function latest(a: Date | null, b: Date | null): Date | null {
  if (a === null || b === null) return a ?? b;
  return a > b ? a : b;
}

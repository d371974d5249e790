/**
 * Addresses nothing may be sent to, whoever they belong to (CON-6). Owns `suppressions`; enrolling and the gate read
 * it. The strongest reason for an address is kept: what may be removed by hand never hides an unsubscribe.
 */
import type { Database, Tx } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { SuppressionKind } from '../kernel/channels.ts';
import type { Uuid } from '../kernel/ids.ts';
import { listOrder, type Page, type PageRequest, pageOf, positionOf } from '../kernel/page.ts';
import { type FieldError, Problem } from '../kernel/problem.ts';
import { audit } from '../tenancy/audit.ts';
import { actorText, type Context } from '../tenancy/context.ts';
import { cleanText } from './clean-text.ts';
import { readAddress } from './contact-values.ts';
import { normalizeCountry } from './phone-number.ts';
import { wakeWaits } from './wake-waits.ts';

const ORDER = listOrder('suppressions', ['text', 'text']);

/** From the weakest to the strongest. */
export const SUPPRESSION_REASONS = [
  'manual',
  'hard_bounce',
  'do_not_call',
  'complaint',
  'unsubscribe',
] as const;
export type SuppressionReason = (typeof SUPPRESSION_REASONS)[number];

export interface Suppression {
  kind: SuppressionKind;
  address: string;
  reason: SuppressionReason;
  source: string;
  contact_id: Uuid | null;
  touch_id: Uuid | null;
  created_at: Date;
}

export interface Suppressed {
  kind: SuppressionKind;
  /** In its canonical form. */
  address: string;
  reason: SuppressionReason;
  source: string;
  contact_id?: Uuid | null;
  touch_id?: Uuid | null;
}

/** Part of another transaction: a stop, a bounce, an import of suppressions. Out: how many are new or stronger now. */
export async function suppress(
  tx: Tx,
  ctx: Pick<Context, 'org'>,
  suppressed: Suppressed | Suppressed[],
): Promise<number> {
  const list = Array.isArray(suppressed) ? suppressed : [suppressed];
  const strongest = new Map<string, Suppressed>();
  for (const one of list) {
    const key = `${one.kind} ${one.address}`;
    const before = strongest.get(key);
    if (before === undefined || rank(one.reason) > rank(before.reason)) strongest.set(key, one);
  }
  const changed = await tx.run(sql`
    INSERT INTO suppressions AS s (org_id, kind, address, reason, source, contact_id, touch_id)
    SELECT ${ctx.org}::uuid, kind, address, reason, source, contact_id, touch_id
    FROM json_to_recordset(${JSON.stringify([...strongest.values()])}::json)
      AS r(kind text, address text, reason text, source text, contact_id uuid, touch_id uuid)
    ORDER BY kind, address
    ON CONFLICT (org_id, kind, address) DO UPDATE SET reason = excluded.reason, source = excluded.source,
      contact_id = coalesce(excluded.contact_id, s.contact_id), touch_id = coalesce(excluded.touch_id, s.touch_id)
    WHERE array_position(${[...SUPPRESSION_REASONS]}::text[], excluded.reason)
      > array_position(${[...SUPPRESSION_REASONS]}::text[], s.reason)`);
  if (changed > 0) await wakeOwners(tx, ctx.org, [...strongest.values()]);
  return changed;
}

/** Whoever has one of these addresses may be what a wait asks for now. */
async function wakeOwners(
  tx: Tx,
  org: Uuid,
  addresses: readonly Pick<Suppressed, 'kind' | 'address'>[],
): Promise<void> {
  const of = (kind: SuppressionKind) =>
    addresses.filter((one) => one.kind === kind).map(({ address }) => address);
  const owners = await tx.rows<{ id: Uuid }>(sql`
    SELECT c.id FROM contacts c WHERE c.org_id = ${org} AND c.email = ANY (${of('email')}::text[])
    UNION SELECT c.id FROM contacts c WHERE c.org_id = ${org} AND c.phone = ANY (${of('phone')}::text[])
    UNION SELECT t.contact_id FROM touches t JOIN contacts c ON c.org_id = t.org_id AND c.id = t.contact_id
     WHERE t.org_id = ${org} AND t.channel = 'wait' AND t.live AND ${of('whatsapp').length + of('telegram').length > 0}
       AND (c.whatsapp = ANY (${of('whatsapp')}::text[]) OR c.telegram = ANY (${of('telegram')}::text[]))`);
  await wakeWaits(
    tx,
    org,
    owners.map(({ id }) => id),
  );
}

function rank(reason: SuppressionReason): number {
  return SUPPRESSION_REASONS.indexOf(reason);
}

export interface SuppressionFilter {
  kind?: SuppressionKind | undefined;
  reason?: SuppressionReason | undefined;
  /** Beginning of the address. */
  q?: string | undefined;
}

/** By kind and address. */
export async function listSuppressions(
  db: Database,
  ctx: Context,
  filter: SuppressionFilter,
  page: PageRequest,
): Promise<Page<Suppression>> {
  const [kind, address] = positionOf(page, ORDER) ?? ['', ''];
  const rows = await db.inOrg(ctx.org, (tx) =>
    tx.rows<Suppression>(sql`
      SELECT kind, address, reason, source, contact_id, touch_id, created_at FROM suppressions
      WHERE org_id = ${ctx.org} AND (kind, address) > (${kind}, ${address})
        ${filter.kind === undefined ? sql`` : sql`AND kind = ${filter.kind}`}
        ${filter.reason === undefined ? sql`` : sql`AND reason = ${filter.reason}`}
        ${filter.q === undefined ? sql`` : sql`AND starts_with(address, ${cleanText(filter.q).toLowerCase()})`}
      ORDER BY kind, address LIMIT ${page.limit + 1}`),
  );
  return pageOf(rows, page, ORDER, (row) => [row.kind, row.address]);
}

export interface NewSuppression {
  kind: SuppressionKind;
  address: string;
  /** `manual` unless said otherwise. */
  reason?: SuppressionReason | undefined;
  source?: string | undefined;
  default_country?: string | undefined;
}

/** The suppression as it is now: an address that was suppressed for a stronger reason keeps that. @throws invalid_request */
export async function addSuppression(
  db: Database,
  ctx: Context,
  input: NewSuppression,
): Promise<Suppression> {
  const address = readSuppressedAddress(input);
  const reason = input.reason ?? 'manual';
  return db.inOrg(ctx.org, async (tx) => {
    const source = cleanText(input.source ?? '') || actorText(ctx.actor);
    const changed = await suppress(tx, ctx, { kind: input.kind, address, reason, source });
    if (changed > 0)
      await audit(tx, ctx, {
        action: 'suppression.add',
        subject_type: 'suppression',
        subject_id: `${input.kind}:${address}`,
        data: { reason, source },
      });
    return tx.one<Suppression>(sql`
      SELECT kind, address, reason, source, contact_id, touch_id, created_at FROM suppressions
      WHERE org_id = ${ctx.org} AND kind = ${input.kind} AND address = ${address}`);
  });
}

export interface Removal {
  kind: SuppressionKind;
  address: string;
  /** Why it may be written to again. Needed for everything that was not suppressed by hand. */
  why?: string | undefined;
  default_country?: string | undefined;
}

/**
 * Takes an address off the list. Never one that unsubscribed: that takes the person's own re-consent.
 * @throws invalid_request, not_found, conflict for an unsubscribe
 */
export async function removeSuppression(db: Database, ctx: Context, input: Removal): Promise<void> {
  const address = readSuppressedAddress(input);
  await db.inOrg(ctx.org, async (tx) => {
    const found = await tx.maybe<Suppression>(sql`SELECT reason FROM suppressions
      WHERE org_id = ${ctx.org} AND kind = ${input.kind} AND address = ${address} FOR UPDATE`);
    if (found === null) throw new Problem('not_found', 'This address is not suppressed.');
    if (found.reason === 'unsubscribe')
      throw new Problem(
        'conflict',
        'This person has unsubscribed; record their re-consent with fresh evidence instead.',
      );
    const why = cleanText(input.why ?? '');
    if (found.reason !== 'manual' && why === '')
      throw invalid(
        'why',
        'required',
        `The address was suppressed for ${found.reason}; say why it may be used again.`,
      );
    await tx.run(sql`DELETE FROM suppressions
      WHERE org_id = ${ctx.org} AND kind = ${input.kind} AND address = ${address}`);
    await wakeOwners(tx, ctx.org, [{ kind: input.kind, address }]);
    await audit(tx, ctx, {
      action: 'suppression.remove',
      subject_type: 'suppression',
      subject_id: `${input.kind}:${address}`,
      data: { reason: found.reason, why },
    });
  });
}

function readSuppressedAddress(input: Pick<NewSuppression, 'kind' | 'address' | 'default_country'>): string {
  const errors: FieldError[] = [];
  const wrong = (field: string, code: string, message: string) => {
    errors.push({ field, code, message });
    return null;
  };
  const country = input.default_country === undefined ? null : normalizeCountry(input.default_country);
  const address = readAddress(input.kind, input.address, country, 'address', wrong);
  if (address === null) throw new Problem('invalid_request', 'The address is not valid.', { errors });
  return address;
}

function invalid(field: string, code: string, message: string): Problem {
  return new Problem('invalid_request', message, { errors: [{ field, code, message }] });
}

/**
 * Unsubscribe links (CON-5, RFC 8058). In: the token of a link, whoever presses it. Out: the contact opted out, or
 * nothing, and what to tell. A token needs no table and works for ever; one that is not ours, or whose contact is gone,
 * is treated like one that is, except that nothing happens.
 */
import type { UnsubscribeClaim, UnsubscribeTokens } from '../content/unsubscribe-token.ts';
import type { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { ConsentChannel } from '../kernel/channels.ts';
import { Problem } from '../kernel/problem.ts';
import { unsubscribe } from '../plan/stop.ts';
import type { Context } from '../tenancy/context.ts';

/** What may be said to whoever holds the link. */
export interface Subscription {
  channel: ConsentChannel;
  /** Masked; null when the contact has none any more. */
  address: string | null;
  organization: string;
  subscribed: boolean;
}

/** Reads only: a scanner that follows the link unsubscribes nobody. Null: not one of ours. */
export async function subscriptionOf(
  db: Database,
  tokens: UnsubscribeTokens,
  token: string,
): Promise<Subscription | null> {
  const claim = tokens.verify(token);
  return claim ? read(db, claim) : null;
}

async function read(db: Database, claim: UnsubscribeClaim): Promise<Subscription | null> {
  const row = await db.inOrg(claim.org_id, (tx) =>
    tx.maybe<{ address: string | null; name: string; revoked: boolean }>(sql`
      SELECT contact_address(${claim.channel}, c.email, c.phone, c.whatsapp, c.telegram, c.linkedin) AS address, o.name,
             coalesce((SELECT k.status = 'revoked' FROM consents k
               WHERE k.org_id = c.org_id AND k.contact_id = c.id AND k.channel = ${claim.channel} ORDER BY k.id DESC LIMIT 1), false) AS revoked
        FROM contacts c JOIN organizations o ON o.org_id = c.org_id
       WHERE c.org_id = ${claim.org_id} AND c.id = ${claim.contact_id}`),
  );
  if (!row) return null;
  return {
    channel: claim.channel,
    address: row.address === null ? null : maskedAddress(row.address),
    organization: row.name,
    subscribed: !row.revoked,
  };
}

/** `one_click`: a mail program's own button; `page`: ours. */
export type PressedBy = 'one_click' | 'page';

/** Opts out at once, as often as it is pressed. Null: not one of ours, and nothing was done. */
export async function pressUnsubscribe(
  db: Database,
  tokens: UnsubscribeTokens,
  token: string,
  from: { by: PressedBy; request_id: string; ip: string },
): Promise<Subscription | null> {
  const claim = tokens.verify(token);
  if (!claim) return null;
  const ctx: Context = {
    org: claim.org_id,
    actor: { type: 'contact', id: claim.contact_id, name: 'the recipient' },
    request_id: from.request_id,
    ip: from.ip,
  };
  try {
    await unsubscribe(db, ctx, {
      contact_id: claim.contact_id,
      channel: claim.channel,
      source: from.by,
      evidence: `the link in the message of touch ${claim.touch_id}`,
      touch_id: claim.touch_id,
    });
  } catch (error) {
    if (error instanceof Problem && error.code === 'not_found') return null;
    throw error;
  }
  return read(db, claim);
}

const SHOWN = 1;

/** `j•••@e•••.com`, `+49•••56`: its owner knows it again, and who finds the link learns nothing. */
export function maskedAddress(address: string): string {
  if (!address.includes('@')) return `${address.slice(0, 3)}•••${address.slice(-2)}`;
  const at = address.lastIndexOf('@');
  const dot = address.lastIndexOf('.');
  const domain = address.slice(at + 1, dot > at ? dot : undefined);
  const ending = dot > at ? address.slice(dot) : '';
  const mask = (text: string) => `${[...text].slice(0, SHOWN).join('')}•••`;
  return `${mask(address.slice(0, at))}@${mask(domain)}${ending}`;
}

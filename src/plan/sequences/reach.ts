/**
 * Whether a contact can be reached over the channels of a sequence [SEQ-5]: an address for each, none of them
 * suppressed, no consent revoked, and one given where the organization asks for it.
 */
import type { Tx } from '../../db/database.ts';
import { type Sql, sql } from '../../db/sql.ts';
import {
  type AddressKind,
  CHANNELS,
  type Channel,
  type ConsentChannel,
  type SuppressionKind,
} from '../../kernel/channels.ts';
import type { Uuid } from '../../kernel/ids.ts';

export interface Reach {
  has_address: boolean;
  suppressed: boolean;
  revoked: boolean;
  unconsented: boolean;
}

/** What a contact needs for these channels, each once. */
export interface ReachNeeds {
  addresses: AddressKind[];
  suppressed: SuppressionKind[];
  consents: ConsentChannel[];
  /** Of `consents`, those that the organization demands. */
  required: ConsentChannel[];
}

export function needsOf(channels: Iterable<Channel>, consentRequired: readonly string[]): ReachNeeds {
  const facts = [...new Set(channels)].map((channel) => CHANNELS[channel]);
  const consents = distinct(facts.map((fact) => fact.consent));
  return {
    addresses: distinct(facts.map((fact) => fact.writes_to)),
    suppressed: distinct(facts.map((fact) => fact.suppressed_as)),
    consents,
    required: consents.filter((consent) => consentRequired.includes(consent)),
  };
}

function distinct<T>(values: readonly (T | null)[]): T[] {
  return [...new Set(values.filter((value) => value !== null))];
}

const COLUMN: Record<AddressKind, Sql> = {
  email: sql`c.email`,
  phone: sql`c.phone`,
  whatsapp: sql`c.whatsapp`,
  telegram: sql`c.telegram`,
  linkedin: sql`c.linkedin`,
};

/** The columns of `Reach` for a contact `c`, and the join that they read: a few index look-ups a contact. */
export function reachOf(
  org: Uuid,
  contact: Sql,
  needs: ReachNeeds,
): { columns: Sql; join: Sql; reached: Sql } {
  const address = needs.addresses.reduce(
    (all, kind) => sql`${all} AND ${COLUMN[kind]} IS NOT NULL`,
    sql`true`,
  );
  const own = needs.suppressed.map((kind) => sql`(${kind}::text, ${COLUMN[kind]})`);
  const consents = needs.consents.map(
    (consent) => sql`(${consent}::text, ${needs.required.includes(consent)}::boolean)`,
  );
  const join = sql`
    CROSS JOIN LATERAL (SELECT ${address} AS has_address,
      ${
        own.length === 0
          ? sql`false`
          : sql`EXISTS (SELECT FROM (VALUES ${list(own)}) a(kind, address)
              JOIN suppressions s ON s.org_id = ${org} AND s.kind = a.kind AND s.address = a.address)`
      } AS suppressed) r
    CROSS JOIN LATERAL (${
      consents.length === 0
        ? sql`SELECT false AS revoked, false AS unconsented`
        : sql`SELECT coalesce(bool_or(k.status = 'revoked'), false) AS revoked, bool_or(n.required AND k.status IS NULL) AS unconsented
                FROM (VALUES ${list(consents)}) n(channel, required)
                LEFT JOIN LATERAL (SELECT x.status FROM consents x WHERE x.org_id = ${org} AND x.contact_id = ${contact}
                   AND x.channel = n.channel ORDER BY x.id DESC LIMIT 1) k ON true`
    }) k`;
  return {
    columns: sql`r.has_address, r.suppressed, k.revoked, k.unconsented`,
    join,
    reached: sql`r.has_address AND NOT r.suppressed AND NOT k.revoked AND NOT k.unconsented`,
  };
}

/** Of one contact that exists. */
export async function readReach(tx: Tx, org: Uuid, contact: Uuid, needs: ReachNeeds): Promise<Reach> {
  const reach = reachOf(org, sql`c.id`, needs);
  return tx.one<Reach>(
    sql`SELECT ${reach.columns} FROM contacts c ${reach.join} WHERE c.org_id = ${org} AND c.id = ${contact}`,
  );
}

function list(items: readonly Sql[]): Sql {
  return items.reduce((all, item) => sql`${all}, ${item}`);
}

export const UNREACHABLE_REASONS = ['no_address', 'suppressed', 'opted_out', 'no_consent'] as const;
export type Unreachable = (typeof UNREACHABLE_REASONS)[number];

/** Why nothing may be sent to this contact; null when it may. */
export function unreachable(reach: Reach): Unreachable | null {
  if (!reach.has_address) return 'no_address';
  if (reach.suppressed) return 'suppressed';
  if (reach.revoked) return 'opted_out';
  return reach.unconsented ? 'no_consent' : null;
}

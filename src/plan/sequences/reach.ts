/**
 * Whether a contact can be reached over the channels of a sequence [SEQ-5]: an address for each, none of them
 * suppressed, no consent revoked, and one given where the organization asks for it.
 */
import { uuids } from '../../db/arrays.ts';
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
import { invariant } from '../../kernel/invariant.ts';

export const UNREACHABLE_REASONS = ['no_address', 'suppressed', 'opted_out', 'no_consent'] as const;
/** Why nothing may be sent to a contact; the first that is true. */
export type Unreachable = (typeof UNREACHABLE_REASONS)[number];

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

/**
 * Of those who cannot be reached, why; nothing about the rest. Whole lists against each other, and no join whose sides the
 * planner would have to guess: less than half of what a few look-ups a contact cost, and no plan of an emptier time can make
 * it walk one list for each of the other.
 */
export async function readUnreachable(
  tx: Tx,
  org: Uuid,
  contacts: readonly Uuid[],
  needs: ReachNeeds,
): Promise<Map<Uuid, Unreachable | 'unknown_contact'>> {
  const rows = await tx.rows<{ id: Uuid; reason: Unreachable | 'unknown_contact' }>(sql`
    WITH i AS MATERIALIZED (SELECT u.id FROM unnest(${uuids(contacts)}::uuid[]) u(id)),
    c AS MATERIALIZED (SELECT c.id, c.email, c.phone, c.whatsapp, c.telegram, c.linkedin FROM contacts c
      WHERE c.org_id = ${org} AND c.id = ANY (ARRAY(SELECT i.id FROM i))),
    k AS MATERIALIZED (SELECT DISTINCT ON (x.contact_id, x.channel) x.contact_id, x.channel, x.status FROM consents x
      WHERE x.org_id = ${org} AND x.contact_id = ANY (ARRAY(SELECT c.id FROM c)) AND x.channel = ANY (${needs.consents}::text[])
      ORDER BY x.contact_id, x.channel, x.id DESC)
    SELECT c.id, c.reason FROM (SELECT c.id, CASE ${whenUnreachable(org, needs)} END AS reason FROM c OFFSET 0) c
     WHERE c.reason IS NOT NULL
    UNION ALL
    SELECT i.id, 'unknown_contact' FROM i WHERE NOT i.id IN (SELECT c.id FROM c)`);
  return new Map(rows.map((row) => [row.id, row.reason]));
}

/** Branches of a CASE over a contact `c` and the consents `k`. */
function whenUnreachable(org: Uuid, { addresses, suppressed, consents, required }: ReachNeeds): Sql {
  const branches = [
    // What needs nothing reaches everybody, and a CASE has a branch.
    sql`WHEN false THEN ''`,
    ...addresses.map((kind) => sql`WHEN ${COLUMN[kind]} IS NULL THEN 'no_address'`),
    ...suppressed.map(
      (kind) => sql`WHEN ${COLUMN[kind]} IN (SELECT s.address FROM suppressions s
        WHERE s.org_id = ${org} AND s.kind = ${kind} AND s.address = ANY (ARRAY(SELECT ${COLUMN[kind]} FROM c))) THEN 'suppressed'`,
    ),
    ...(consents.length === 0
      ? []
      : [sql`WHEN c.id IN (SELECT k.contact_id FROM k WHERE k.status = 'revoked') THEN 'opted_out'`]),
    ...required.map(
      (channel) =>
        sql`WHEN NOT c.id IN (SELECT k.contact_id FROM k WHERE k.channel = ${channel}) THEN 'no_consent'`,
    ),
  ];
  return branches.reduce((all, branch) => sql`${all} ${branch}`, sql``);
}

/** The same of one contact that exists; null: it can be reached. */
export async function whyUnreachable(
  tx: Tx,
  org: Uuid,
  contact: Uuid,
  needs: ReachNeeds,
): Promise<Unreachable | null> {
  const reason = (await readUnreachable(tx, org, [contact], needs)).get(contact) ?? null;
  invariant(reason !== 'unknown_contact', 'the contact is there');
  return reason;
}

/**
 * Records: deals, appointments, service jobs, as another system knows them. Owns `records`. In: upserts by kind and
 * external id. Out: rows, and for each change the contact events that tell it, in the same transaction: goals, triggers
 * and conditions look at events alone.
 */
import type { Database, Tx } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import { newId, type Uuid } from '../kernel/ids.ts';
import { listOrder, type Page, type PageRequest, pageOf, positionOf } from '../kernel/page.ts';
import { notFound, Problem } from '../kernel/problem.ts';
import { audit } from '../tenancy/audit.ts';
import { actorText, type Context } from '../tenancy/context.ts';
import { recordEvents } from './events.ts';
import type { Properties } from './properties.ts';
import {
  changeNames,
  changeProperties,
  FIRST_STAGE,
  RECORD_STATUSES,
  type RecordFacts,
  type RecordKind,
} from './record-changes.ts';
import { contactOf, IN_THE_FUTURE, isAhead, type NamedContact } from './tell-events.ts';

/** Who tells the events of records. */
const SOURCE = 'record';

export interface ContactRecord extends RecordFacts {
  id: Uuid;
  contact_id: Uuid;
  version: number;
  created_by: string;
  created_at: Date;
  updated_at: Date;
}

/** Only what is named changes of a record that is there; null takes a value away. */
export interface RecordInput extends NamedContact {
  kind: RecordKind;
  external_id: string;
  title?: string | null | undefined;
  status?: string | undefined;
  starts_at?: Date | null | undefined;
  ends_at?: Date | null | undefined;
  amount?: number | null | undefined;
  currency?: string | null | undefined;
  properties?: Properties | undefined;
  /** When it changed there; absent: now. */
  at?: Date | undefined;
}

export interface Upserted {
  record: ContactRecord;
  /** What became of it. */
  change: 'created' | 'updated' | 'unchanged';
  /** The events that tell it. */
  event_ids: Uuid[];
}

const columns = sql`id, kind, external_id, contact_id, version, title, status, starts_at, ends_at, amount::float8 AS amount, currency, properties,
  created_by, created_at, updated_at`;

/** @throws not_found (the contact), invalid_request */
export async function upsertRecord(db: Database, ctx: Context, input: RecordInput): Promise<Upserted> {
  if (isAhead(input.at, Date.now())) throw invalid('at', 'in_the_future', IN_THE_FUTURE);
  return db.inOrg(ctx.org, async (tx) => {
    const contact = await contactOf(tx, ctx.org, input);
    // A new one is made bare, and then changed like one that was there: two who tell the same new one make one.
    const made = await insertBare(tx, ctx, input, contact);
    const row = await tx.one<ContactRecord>(sql`
      SELECT ${columns} FROM records
       WHERE org_id = ${ctx.org} AND kind = ${input.kind} AND external_id = ${input.external_id} FOR UPDATE`);
    const before = made ? null : row;
    const after: ContactRecord = { ...row, ...given(input), contact_id: contact ?? row.contact_id };
    checked(after);
    if (before !== null && same(before, after)) return { record: row, change: 'unchanged', event_ids: [] };
    const record = await write(tx, ctx.org, after, before === null ? 1 : row.version + 1);
    const event_ids = await tell(tx, ctx, before, record, input.at);
    await note(tx, ctx, before === null ? 'create' : 'update', record);
    return { record, change: before === null ? 'created' : 'updated', event_ids };
  });
}

/** True when it was not there. */
async function insertBare(
  tx: Tx,
  ctx: Context,
  { kind, external_id, status }: RecordInput,
  contact: Uuid | null,
): Promise<boolean> {
  const first = status ?? RECORD_STATUSES[kind]?.[0] ?? FIRST_STAGE;
  if (contact === null) {
    const there = await tx.maybe(
      sql`SELECT id FROM records WHERE org_id = ${ctx.org} AND kind = ${kind} AND external_id = ${external_id}`,
    );
    if (there) return false;
    throw invalid('contact_id', 'required', 'A new record says whose it is');
  }
  const made = await tx.run(sql`
    INSERT INTO records (org_id, id, kind, external_id, contact_id, status, created_by)
    VALUES (${ctx.org}, ${newId()}, ${kind}, ${external_id}, ${contact}, ${first}, ${actorText(ctx.actor)})
    ON CONFLICT (org_id, kind, external_id) DO NOTHING`);
  return made === 1;
}

function given(input: RecordInput): Partial<RecordFacts> {
  const { title, status, starts_at, ends_at, currency, properties } = input;
  // As it is stored, or the same told again would look like a change.
  const amount = input.amount == null ? input.amount : Math.round(input.amount * 100) / 100;
  const all = { title, status, starts_at, ends_at, amount, currency, properties };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

function checked(record: ContactRecord): void {
  const allowed: readonly string[] | null = RECORD_STATUSES[record.kind];
  if (allowed !== null && !allowed.includes(record.status))
    throw invalid('status', 'unknown_status', `The status of this kind is one of ${allowed.join(', ')}`);
  if (record.starts_at && record.ends_at && record.ends_at < record.starts_at)
    throw invalid('ends_at', 'before_start', 'It ends before it starts');
}

function invalid(field: string, code: string, message: string): Problem {
  return new Problem('invalid_request', message, { errors: [{ field, code, message }] });
}

/** Are they the same to whoever reads them? The order of properties is nobody's. */
function same(one: ContactRecord, other: ContactRecord): boolean {
  const facts = ({
    contact_id,
    title,
    status,
    starts_at,
    ends_at,
    amount,
    currency,
    properties,
  }: ContactRecord) =>
    JSON.stringify([contact_id, title, status, starts_at, ends_at, amount, currency, sorted(properties)]);
  return facts(one) === facts(other);
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, inner]) => [key, sorted(inner)] as const);
  return entries.sort(([a], [b]) => (a < b ? -1 : 1));
}

async function write(tx: Tx, org: Uuid, record: ContactRecord, version: number): Promise<ContactRecord> {
  return tx.one<ContactRecord>(sql`
    UPDATE records SET contact_id = ${record.contact_id}, version = ${version}, title = ${record.title}, status = ${record.status},
           starts_at = ${record.starts_at}, ends_at = ${record.ends_at}, amount = ${record.amount}, currency = ${record.currency},
           properties = ${JSON.stringify(record.properties)}, updated_at = clock_timestamp()
     WHERE org_id = ${org} AND id = ${record.id} RETURNING ${columns}`);
}

async function tell(
  tx: Tx,
  ctx: Context,
  before: ContactRecord | null,
  after: ContactRecord,
  at: Date | undefined,
): Promise<Uuid[]> {
  const properties = changeProperties(after.id, before, after);
  const events = changeNames(before, after).map((name) => ({
    contact_id: after.contact_id,
    name,
    at: at ?? new Date(),
    external_id: `${after.id}.${after.version}.${name}`,
    properties,
  }));
  return (await recordEvents(tx, ctx, SOURCE, events)).map((event) => event.id);
}

async function note(
  tx: Tx,
  ctx: Context,
  verb: 'create' | 'update' | 'delete',
  { id, kind, version }: ContactRecord,
): Promise<void> {
  await audit(tx, ctx, {
    action: `record.${verb}`,
    subject_type: 'record',
    subject_id: id,
    data: { kind, version },
  });
}

/** @throws not_found */
export async function getRecord(db: Database, ctx: Pick<Context, 'org'>, id: Uuid): Promise<ContactRecord> {
  const row = await db.inOrg(ctx.org, (tx) =>
    tx.maybe<ContactRecord>(sql`SELECT ${columns} FROM records WHERE org_id = ${ctx.org} AND id = ${id}`),
  );
  if (!row) throw notFound('record', id);
  return row;
}

export interface RecordFilter extends PageRequest {
  kind?: RecordKind | undefined;
  contact_id?: Uuid | undefined;
  external_id?: string | undefined;
  status?: string | undefined;
}

const ORDER = listOrder('records', ['uuid']);

/** Newest first. */
export async function listRecords(
  db: Database,
  ctx: Pick<Context, 'org'>,
  filter: RecordFilter,
): Promise<Page<ContactRecord>> {
  const after = positionOf(filter, ORDER)?.[0];
  const rows = await db.inOrg(ctx.org, (tx) =>
    tx.rows<ContactRecord>(sql`
      SELECT ${columns} FROM records WHERE org_id = ${ctx.org}
        ${after === undefined ? sql`` : sql`AND id < ${after}`}
        ${filter.kind === undefined ? sql`` : sql`AND kind = ${filter.kind}`}
        ${filter.contact_id === undefined ? sql`` : sql`AND contact_id = ${filter.contact_id}`}
        ${filter.external_id === undefined ? sql`` : sql`AND external_id = ${filter.external_id}`}
        ${filter.status === undefined ? sql`` : sql`AND status = ${filter.status}`}
       ORDER BY id DESC LIMIT ${filter.limit + 1}`),
  );
  return pageOf(rows, filter, ORDER, (row) => [row.id]);
}

/** Its events stay: they happened. @throws not_found */
export async function deleteRecord(db: Database, ctx: Context, id: Uuid): Promise<Uuid[]> {
  return db.inOrg(ctx.org, async (tx) => {
    const row = await tx.maybe<ContactRecord>(
      sql`DELETE FROM records WHERE org_id = ${ctx.org} AND id = ${id} RETURNING ${columns}`,
    );
    if (!row) throw notFound('record', id);
    const [name] = changeNames(row, null);
    const told = await recordEvents(tx, ctx, SOURCE, [
      {
        contact_id: row.contact_id,
        name: name!,
        at: new Date(),
        external_id: `${row.id}.deleted`,
        properties: changeProperties(row.id, row, row),
      },
    ]);
    await note(tx, ctx, 'delete', row);
    return told.map((event) => event.id);
  });
}

/**
 * Writes one batch of rows: contacts, tags, reported rows and the position in the file, in one transaction and a
 * handful of statements whatever the number of rows. In: prepared rows. Out: what became of each, as counts.
 */
import { type Database, pgCode, type Tx } from '../../db/database.ts';
import { sql } from '../../db/sql.ts';
import type { Uuid } from '../../kernel/ids.ts';
import type { Context } from '../../tenancy/context.ts';
import { wakeWaits } from '../wake-waits.ts';
import {
  addAddresses,
  type BatchRules,
  type Match,
  matchExisting,
  mergeContacts,
  tagContacts,
} from './batch-statements.ts';
import type { Expectation } from './expectation.ts';
import type { ImportCounts } from './import.ts';
import { insertContacts, type LookedFor } from './insert-contacts.ts';
import type { Identity, RowContact, RowProblem } from './row.ts';

export interface PreparedRow {
  n: number;
  raw: string;
  refused: RowProblem | null;
  contact: RowContact | null;
  warnings: readonly RowProblem[];
}

export interface PreparedBatch {
  rows: PreparedRow[];
  from_byte: number;
  next_byte: number;
  next_row: number;
}

type Outcome = 'created' | 'updated' | 'unchanged' | 'skipped' | 'duplicates' | 'refused';

interface Settled {
  row: PreparedRow;
  outcome: Outcome;
  problem: RowProblem | null;
  extra: RowProblem[];
}

/**
 * A deadlock with another import, a lock held too long, or an edit that took an address meanwhile: the batch as a
 * whole is done again.
 */
const RETRYABLE = new Set(['40P01', '40001', '55P03', '23505']);
const MAX_TRIES = 5;

/** The batch before was not written, so neither may this one be. */
class Superseded extends Error {}

/**
 * Writes a batch while the one before is still being written; commits after it. `turn` is that one's outcome: the
 * counts so far. PostgreSQL does not know of this wait, so two batches that have a value in common must not be
 * written at the same time (see `inFlight`), and a lock that a third holds is given up after a while.
 *
 * As long as nothing of an import is there already, its rows go in unlooked-for: what meets something undoes its batch,
 * which then looks.
 *
 * Out: the new counts, or null when the import was cancelled or another process has gone on with it.
 */
export async function writeBatch(
  db: Database,
  ctx: Context,
  rules: BatchRules,
  batch: PreparedBatch,
  turn: Promise<ImportCounts | null>,
  expectation: Expectation,
): Promise<ImportCounts | null> {
  let lookedFor: LookedFor = expectation.newOnly ? 'nothing' : 'identity';
  for (let tries = 1; ; tries++) {
    try {
      const { counts, met } = await db.inOrg(ctx.org, (tx) => write(tx, ctx, rules, batch, turn, lookedFor));
      expectation.wrote(met);
      return counts;
    } catch (error) {
      if (error instanceof Superseded) return null;
      if (tries === MAX_TRIES || !RETRYABLE.has(pgCode(error) ?? '')) throw error;
      if (lookedFor === 'nothing') expectation.wasWrong();
      lookedFor = lookedFor === 'nothing' ? 'identity' : 'all';
    }
  }
}

async function write(
  tx: Tx,
  ctx: Context,
  rules: BatchRules,
  batch: PreparedBatch,
  turn: Promise<ImportCounts | null>,
  lookedFor: LookedFor,
): Promise<{ counts: ImportCounts; met: boolean }> {
  await tx.run(sql`SET LOCAL lock_timeout = '5s'`);
  const { settled, met } = await settleRows(tx, ctx, rules, batch.rows, lookedFor);
  const before = await turn;
  if (before === null) throw new Superseded();
  // After the turn, so that nothing of the ledger is locked while it is waited for.
  const merged = settled.filter(({ outcome }) => outcome === 'updated' || outcome === 'unchanged');
  await wakeWaits(
    tx,
    ctx.org,
    contactsOf(merged).map((contact) => contact.id),
  );
  const counts = countUp(before, settled);
  const moved =
    await tx.run(sql`UPDATE imports SET next_byte = ${batch.next_byte}, next_row = ${batch.next_row},
      counts = ${JSON.stringify(counts)}
    WHERE org_id = ${ctx.org} AND id = ${rules.import_id} AND status = 'running' AND next_byte = ${batch.from_byte}`);
  // Everything above is undone with this transaction.
  if (moved === 0) throw new Superseded();
  await report(tx, ctx, rules.import_id, settled);
  return { counts, met };
}

async function settleRows(
  tx: Tx,
  ctx: Context,
  rules: BatchRules,
  rows: PreparedRow[],
  lookedFor: LookedFor,
): Promise<{ settled: Settled[]; met: boolean }> {
  const settled: Settled[] = [];
  const firsts = new Map<string, Settled>();
  const repeats: { row: PreparedRow; first: Settled }[] = [];
  for (const row of rows) {
    const entry: Settled = { row, outcome: 'refused', problem: row.refused, extra: [] };
    if (row.contact === null) {
      settled.push(entry);
      continue;
    }
    const key = row.contact[rules.identity]!;
    const first = firsts.get(key);
    if (first !== undefined) repeats.push({ row, first });
    else {
      entry.outcome = 'created';
      firsts.set(key, entry);
      settled.push(entry);
    }
  }
  const candidates = [...firsts.values()];
  const notCreated = new Set(await insertContacts(tx, ctx, rules, contactsOf(candidates), lookedFor));
  const there = candidates.filter((entry) => notCreated.has(entry.row.contact!.id));
  if (there.length > 0) await settleExisting(tx, ctx, rules, there);
  await addAddresses(tx, ctx, contactsOf(candidates.filter(isWritten)));
  for (const { row, first } of repeats) {
    // A row whose contact is left alone by policy is left alone however often it comes.
    const outcome = first.outcome === 'skipped' ? 'skipped' : 'duplicates';
    settled.push({
      row,
      outcome,
      problem: outcome === 'duplicates' ? DUPLICATE(rules.identity) : null,
      extra: [],
    });
  }
  return { settled, met: there.length > 0 };
}

const contactsOf = (entries: Settled[]) => entries.map((entry) => entry.row.contact!);
const isWritten = ({ outcome }: Settled) =>
  outcome === 'created' || outcome === 'updated' || outcome === 'unchanged';

const DUPLICATE = (identity: Identity): RowProblem => ({
  code: 'duplicate_in_file',
  field: identity,
  message: 'An earlier row of this file has the same; the first row wins.',
});

/** Rows that were not inserted: something has their identity, or another of their unique values. */
async function settleExisting(tx: Tx, ctx: Context, rules: BatchRules, entries: Settled[]): Promise<void> {
  const matches = await matchExisting(tx, ctx, rules, contactsOf(entries));
  const claimed = new Set<string>();
  const merging: Settled[] = [];
  for (const entry of entries) {
    const match = matches.get(entry.row.n);
    if (match === undefined) {
      entry.outcome = 'refused';
      entry.problem = taken(
        rules.identity === 'email' ? 'external_id' : entry.row.contact!.email ? 'email' : 'external_id',
      );
    } else if (match.of_this_import) {
      entry.outcome = 'duplicates';
      entry.problem = DUPLICATE(rules.identity);
    } else if (rules.existing === 'skip') entry.outcome = 'skipped';
    else {
      dropTakenValues(entry, match, claimed);
      entry.row.contact!.id = match.id;
      merging.push(entry);
    }
  }
  if (merging.length === 0) return;
  await tagContacts(tx, ctx, rules.tags, contactsOf(merging));
  const changed = new Set(await mergeContacts(tx, ctx, rules, contactsOf(merging)));
  for (const entry of merging) entry.outcome = changed.has(entry.row.contact!.id) ? 'updated' : 'unchanged';
}

/** An address or id that belongs to another contact is left out; the rest of the row is merged. */
function dropTakenValues(entry: Settled, match: Match, claimed: Set<string>): void {
  const contact = entry.row.contact!;
  for (const field of ['email', 'external_id'] as const) {
    const value = contact[field];
    if (value === undefined) continue;
    const claim = `${field} ${value}`;
    if (match[`${field}_taken`] || claimed.has(claim)) {
      delete contact[field];
      entry.extra.push(taken(field));
    } else claimed.add(claim);
  }
}

const taken = (field: 'email' | 'external_id'): RowProblem => ({
  code: `${field}_taken`,
  field,
  message: `Another contact has this ${field === 'email' ? 'e-mail address' : 'external id'}.`,
});

function countUp(before: ImportCounts, settled: Settled[]): ImportCounts {
  const counts: ImportCounts = {
    ...before,
    refused: { ...before.refused },
    warnings: { ...before.warnings },
  };
  counts.rows += settled.length;
  for (const entry of settled) {
    if (entry.outcome === 'refused') add(counts.refused, entry.problem!.code);
    else counts[entry.outcome] += 1;
    for (const warning of warningsOf(entry)) add(counts.warnings, warning.code);
  }
  return counts;
}

function add(counts: Record<string, number>, code: string): void {
  counts[code] = (counts[code] ?? 0) + 1;
}

/** What was left out matters where something was written. */
function warningsOf(entry: Settled): readonly RowProblem[] {
  if (!isWritten(entry)) return [];
  return entry.extra.length === 0 ? entry.row.warnings : [...entry.row.warnings, ...entry.extra];
}

/** The longest original row that is kept, in characters. */
const MAX_RAW = 256 * 1024;

async function report(tx: Tx, ctx: Context, importId: Uuid, settled: Settled[]): Promise<void> {
  const lines = settled.flatMap((entry) => {
    const severity =
      entry.outcome === 'refused' ? 'refused' : entry.outcome === 'duplicates' ? 'duplicate' : 'warning';
    const problems = entry.problem === null ? warningsOf(entry) : [entry.problem];
    if (problems.length === 0) return [];
    const raw = entry.row.raw.slice(0, MAX_RAW).replaceAll('\0', '\ufffd');
    return problems.map((problem, n) => ({ row_number: entry.row.n, n, severity, ...problem, raw }));
  });
  if (lines.length === 0) return;
  await tx.run(sql`INSERT INTO import_errors (org_id, import_id, row_number, n, severity, field, code, message, raw)
    SELECT ${ctx.org}::uuid, ${importId}::uuid, row_number, n, severity, field, code, message, raw
    FROM json_to_recordset(${JSON.stringify(lines)}::json)
      AS r(row_number bigint, n int, severity text, field text, code text, message text, raw text)`);
}

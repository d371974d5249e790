/**
 * Writes outcomes until they are written. What a provider answered is known to this process alone, so a lost
 * database is waited for; a batch that the database refuses is repeated row by row, so that a bad row makes no other
 * one unknown.
 */
import { pgCode, type Tx } from '../db/database.ts';
import type { Uuid } from '../kernel/ids.ts';
import { settledTouches } from '../kernel/metrics.ts';
import { type Settlement, type SettleResult, settle } from '../ledger/settle.ts';
import type { Engine } from './engine.ts';
import { replan } from './replan.ts';

const FIRST_WAIT_MS = 50;
const MAX_WAIT_MS = 5_000;
/** After this long the touches are `unknown` to everybody anyway, and reconcile has them. */
const MAX_TRIES = 60;

/** Written in the transaction of the ledger's, and only with it: about one touch, which is settled alone. */
type Beside = (tx: Tx) => Promise<void>;

/** How many were settled; those another had settled first do not count. */
export async function settleAll(
  engine: Engine,
  org: Uuid,
  token: Uuid | null,
  settlements: readonly Settlement[],
  beside: Beside | null = null,
): Promise<number> {
  await engine.failpoint?.('before_settle');
  const batch = { org, token, settlements, version: null, beside };
  const first = await persist(engine, batch);
  const all = first.lost.length === 0 ? first : await settleMoved(engine, batch, first);
  if (all.lost.length > 0) warnOfLost(engine, org, all.lost);
  await engine.failpoint?.('after_settle');
  return all.settled;
}

interface Batch {
  org: Uuid;
  token: Uuid | null;
  settlements: readonly Settlement[];
  /** Under which they were planned again. */
  version: Uuid | null;
  beside: Beside | null;
}

interface Persisted {
  settled: number;
  /** Nothing was written about these. */
  lost: readonly Settlement[];
}

/** Of the lost, those whose enrollments were moved to another version: planned and settled again, until none moves in between. */
async function settleMoved(engine: Engine, batch: Batch, first: Persisted): Promise<Persisted> {
  const { org, token } = batch;
  let { settled, lost } = first;
  for (let round = 0; round < MAX_TRIES; round++) {
    const again = await patiently(engine, org, () => replan(engine, org, token, lost));
    if (again.length === 0) break;
    const planned = new Set(again.flatMap((group) => group.settlements.map((one) => one.touch_id)));
    lost = lost.filter((one) => !planned.has(one.touch_id));
    for (const { version, settlements } of again) {
      const written = await persist(engine, { ...batch, settlements, version });
      settled += written.settled;
      lost = [...lost, ...written.lost];
    }
  }
  return { settled, lost };
}

async function persist(engine: Engine, batch: Batch): Promise<Persisted> {
  const { org, settlements } = batch;
  let results: Map<Uuid, SettleResult>;
  try {
    results = await patiently(engine, org, () => write(engine, batch));
  } catch (error) {
    // A person's word is told to be not written; a worker's is one of many, and has happened.
    if (isDataError(error) && batch.beside === null) return oneByOne(engine, batch, error);
    throw error;
  }
  for (const { outcome, touch_id } of settlements) {
    if (results.get(touch_id) !== 'lost') settledTouches.inc({ outcome });
  }
  const lost = settlements.filter(({ touch_id }) => results.get(touch_id) === 'lost');
  return { settled: settlements.length - lost.length, lost };
}

async function write(engine: Engine, { beside, ...batch }: Batch): Promise<Map<Uuid, SettleResult>> {
  const told = {
    ...batch,
    actor: engine.actor ?? `worker:${engine.worker}`,
    now: engine.now?.() ?? null,
  };
  if (beside === null) return settle(engine.db, told);
  return engine.db.inOrg(batch.org, async (tx) => {
    const results = await settle(tx, told);
    if ([...results.values()].some((result) => result !== 'lost')) await beside(tx);
    return results;
  });
}

/** Waits for a lost database. */
async function patiently<T>(engine: Engine, org: Uuid, work: () => Promise<T>): Promise<T> {
  let wait = FIRST_WAIT_MS;
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (isDataError(error) || tries >= MAX_TRIES) throw error;
      engine.log.warn({ org_id: org, tries, error }, 'settling failed; trying again');
      await new Promise((resolve) => setTimeout(resolve, wait));
      wait = Math.min(wait * 2, MAX_WAIT_MS);
    }
  }
}

/** The row is at fault, not the connection: data exceptions and constraint violations. */
function isDataError(error: unknown): boolean {
  const code = pgCode(error);
  return code !== null && (code.startsWith('22') || code.startsWith('23'));
}

async function oneByOne(engine: Engine, batch: Batch, error: unknown): Promise<Persisted> {
  const { org, settlements } = batch;
  if (settlements.length === 1) {
    const [bad] = settlements;
    engine.log.error(
      { org_id: org, touch_id: bad!.touch_id, outcome: bad!.outcome, error },
      'an outcome could not be written; it will be reconciled',
    );
    return { settled: 0, lost: [] };
  }
  let settled = 0;
  const lost: Settlement[] = [];
  for (const settlement of settlements) {
    const written = await persist(engine, { ...batch, settlements: [settlement] });
    settled += written.settled;
    lost.push(...written.lost);
  }
  return { settled, lost };
}

function warnOfLost(engine: Engine, org: Uuid, all: readonly Settlement[]): void {
  const lost = all.filter((settlement) => settlement.outcome !== 'held');
  if (lost.length === 0) return;
  engine.log.warn(
    {
      org_id: org,
      touches: lost.slice(0, 10).map((settlement) => settlement.touch_id),
      count: lost.length,
    },
    'another had settled these first',
  );
}

/**
 * Writes outcomes until they are written. What a provider answered is known to this process alone, so a lost
 * database is waited for; a batch that the database refuses is repeated row by row, so that a bad row makes no other
 * one unknown.
 */
import { pgCode } from '../db/database.ts';
import type { Uuid } from '../kernel/ids.ts';
import { settledTouches } from '../kernel/metrics.ts';
import { type Settlement, settle } from '../ledger/settle.ts';
import type { Engine } from './engine.ts';

const FIRST_WAIT_MS = 50;
const MAX_WAIT_MS = 5_000;
/** After this long the touches are `unknown` to everybody anyway, and reconcile has them. */
const MAX_TRIES = 60;

/** How many were settled; those another had settled first do not count. */
export async function settleAll(
  engine: Engine,
  org: Uuid,
  token: Uuid | null,
  settlements: readonly Settlement[],
): Promise<number> {
  await engine.failpoint?.('before_settle');
  const settled = await persist(engine, org, token, settlements);
  await engine.failpoint?.('after_settle');
  return settled;
}

async function persist(
  engine: Engine,
  org: Uuid,
  token: Uuid | null,
  settlements: readonly Settlement[],
): Promise<number> {
  let wait = FIRST_WAIT_MS;
  for (let tries = 1; ; tries++) {
    try {
      const results = await settle(engine.db, {
        org,
        token,
        actor: `worker:${engine.worker}`,
        settlements,
        now: engine.now?.() ?? null,
      });
      report(engine, org, settlements, results);
      for (const { outcome, touch_id } of settlements) {
        if (results.get(touch_id) !== 'lost') settledTouches.inc({ outcome });
      }
      return [...results.values()].filter((result) => result !== 'lost').length;
    } catch (error) {
      if (isDataError(error)) return oneByOne(engine, org, token, settlements, error);
      if (tries >= MAX_TRIES) throw error;
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

async function oneByOne(
  engine: Engine,
  org: Uuid,
  token: Uuid | null,
  settlements: readonly Settlement[],
  error: unknown,
): Promise<number> {
  if (settlements.length === 1) {
    const [bad] = settlements;
    engine.log.error(
      { org_id: org, touch_id: bad!.touch_id, outcome: bad!.outcome, error },
      'an outcome could not be written; it will be reconciled',
    );
    return 0;
  }
  let settled = 0;
  for (const settlement of settlements) settled += await persist(engine, org, token, [settlement]);
  return settled;
}

function report(
  engine: Engine,
  org: Uuid,
  settlements: readonly Settlement[],
  results: Map<Uuid, string>,
): void {
  const lost = settlements.filter(
    (settlement) => results.get(settlement.touch_id) === 'lost' && settlement.outcome !== 'held',
  );
  if (lost.length > 0) {
    engine.log.warn(
      {
        org_id: org,
        touches: lost.slice(0, 10).map((settlement) => settlement.touch_id),
        count: lost.length,
      },
      'another had settled these first',
    );
  }
}

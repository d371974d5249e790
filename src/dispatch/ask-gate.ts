/** Asks the gate for one batch of composed touches: their versions and hashes, their senders' quota periods now. */
import type { Tx } from '../db/database.ts';
import type { Uuid } from '../kernel/ids.ts';
import { type ContactDay, type GateBatch, gate } from '../ledger/gate.ts';
import type { Planning } from '../plan/sequences/calendar.ts';
import { periodOf } from '../schedule/period.ts';
import { quotaPeriod } from '../senders/periods.ts';
import type { Composed } from './compose.ts';
import type { Engine } from './engine.ts';
import type { Situation } from './situation.ts';

/** What the gate is asked about one touch. No sender: people do it themselves. */
export type Asking = Pick<Composed, 'touch' | 'hash' | 'contents' | 'variant'> & {
  sender_id: Uuid | null;
  sender_version: number | null;
};

interface GateOptions {
  resend?: boolean;
  /** So long it may be held; absent: for one call to a provider. */
  lease_ms?: number | undefined;
  /** Written in the transaction of the gate's, for those that may go: about one touch, which asks alone. */
  beside?: ((tx: Tx) => Promise<void>) | undefined;
}

/** `resend`: the touches are `unknown`, all of one earlier gate, and go again under the same key (class K). */
export async function askGate(
  engine: Engine,
  org: Uuid,
  token: Uuid,
  situation: Situation,
  going: readonly Asking[],
  { resend = false, lease_ms, beside }: GateOptions = {},
) {
  const { planning } = situation;
  const senders = [...new Set(going.map(({ sender_id }) => sender_id))].filter((id) => id !== null);
  const { limits } = engine;
  const batch: GateBatch = {
    org,
    worker: engine.worker,
    token,
    lease_ms: lease_ms ?? limits.budget_ms + limits.call_timeout_ms + limits.lease_margin_ms,
    budget_ms: limits.budget_ms,
    policy_version: planning.organization.policy_version,
    touches: going.map(({ touch, sender_id, sender_version, hash, contents, variant }) => ({
      id: touch.id,
      sequence_id: touch.sequence_id,
      sender_id,
      contact_version: touch.contact_version,
      sender_version,
      hash,
      contents,
      variant,
    })),
    periods: senders.map(
      (id) => quotaPeriod(planning.senders.get(id)!, planning.organization.time_zone, planning.now)!,
    ),
    contact_day: contactDay(planning),
    capped_channels: planning.organization.capped_channels ?? [],
    resend,
    now: engine.now?.() ?? null,
  };
  if (beside === undefined) return gate(engine.db, batch);
  return engine.db.inOrg(org, async (tx) => {
    const answer = await gate(tx, batch);
    if (answer.verdicts.some(({ verdict }) => verdict === 'go')) await beside(tx);
    return answer;
  });
}

function contactDay({ now, organization }: Planning): ContactDay | null {
  if (!organization.capped) return null;
  const { day, day_start_ms, day_end_ms } = periodOf(now, organization.time_zone)!;
  return { day, from: new Date(day_start_ms).toISOString(), until: new Date(day_end_ms).toISOString() };
}

/**
 * Stopping, called by the API and by inbound alike. An End (pause, unenroll, unsubscribe) cancels what is planned; a
 * Hold (a switch on a sequence, sender, channel or organization) keeps it for later. Always two transactions: first
 * the flag, then cancel and list. A process frozen between them has stopped more, not less, and acknowledged
 * nothing. What the receipt does not list will never be sent (I1).
 */
import { type Database, pgCode } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { ConsentChannel } from '../kernel/channels.ts';
import { newId, type Uuid } from '../kernel/ids.ts';
import { notFound, Problem } from '../kernel/problem.ts';
import { drainedReceipt, getReceipt, type Receipt } from '../ledger/receipts.ts';
import { wake } from '../ledger/wake.ts';
import { auditEntry } from '../tenancy/audit.ts';
import { actorText, type Context } from '../tenancy/context.ts';
import { type EnrollmentEvent, type EnrollmentStatus, leavable, TRANSITIONS } from './sequences/lifecycle.ts';
import { readSkips } from './sequences/skip-channel.ts';

/** Called between the two transactions of a stop; tests freeze or kill there. */
export type StopFailpoint = (name: 'after_flag' | 'after_cancel') => Promise<void> | void;

export interface StopOptions {
  reason?: string | undefined;
  /** Wait at most so long for what is in flight, milliseconds. */
  wait_ms?: number | undefined;
  failpoint?: StopFailpoint;
}

export interface EndOptions extends StopOptions {
  /** Of a stop that may be repeated by another process: both get the one receipt. */
  receipt?: Uuid | undefined;
  /** It is the goal of its sequence: counted as a conversion. */
  goal?: { goal: string; event_id: Uuid } | undefined;
}

export async function endEnrollment(
  db: Database,
  ctx: Context,
  id: Uuid,
  event: Extract<EnrollmentEvent, 'pause' | 'unenroll' | 'exit' | 'bounce'>,
  options: EndOptions = {},
): Promise<Receipt> {
  const to = TRANSITIONS.active[event]!;
  const reason = options.reason ?? event;
  const actor = actorText(ctx.actor);
  const receipt = options.receipt ?? newId();
  const goal = options.goal === undefined ? null : JSON.stringify(options.goal);
  const [raised] = await db.call<{ epoch: number; effective_at: Date }>(sql`
    SELECT * FROM enrollment_flag(${ctx.org}::uuid, ${id}::uuid, ${leavable(event)}::text[], ${to}, ${event}, ${reason}, ${actor},
      ${entry(ctx, `enrollment.${event}`, 'enrollment', id, { reason, receipt })}::jsonb, NULL, ${goal}::jsonb)`);
  const flag = raised ?? (await unfinished(db, ctx.org, id, to));
  if (!flag) throw await refusal(db, ctx.org, id, event);
  await options.failpoint?.('after_flag');
  await db.call(sql`
    SELECT * FROM enrollment_cancel(${ctx.org}::uuid, ${id}::uuid, ${flag.epoch}::int, ${reason}, ${receipt}::uuid, ${to}, ${actor}, ${flag.effective_at}::timestamptz)`);
  await options.failpoint?.('after_cancel');
  return read(db, ctx.org, receipt, options.wait_ms);
}

/**
 * The flag of a stop whose process died before its second transaction: what it would have cancelled is still planned.
 * Whoever repeats the stop, because no answer came, finishes it and gets the receipt.
 */
async function unfinished(
  db: Database,
  org: Uuid,
  id: Uuid,
  status: EnrollmentStatus,
): Promise<{ epoch: number; effective_at: Date } | null> {
  return db.inOrg(org, (tx) =>
    tx.maybe(sql`
      SELECT e.epoch, e.updated_at AS effective_at FROM enrollments e JOIN touches t ON t.org_id = e.org_id AND t.id = e.live_touch
       WHERE e.org_id = ${org} AND e.id = ${id} AND e.status = ${status} AND t.state = 'planned'`),
  );
}

/** 404 for an id that is not ours, 409 for a status the event cannot leave. */
export async function refusal(db: Database, org: Uuid, id: Uuid, event: EnrollmentEvent): Promise<Problem> {
  const row = await db.inOrg(org, (tx) =>
    tx.maybe<{ status: EnrollmentStatus }>(
      sql`SELECT status FROM enrollments WHERE org_id = ${org} AND id = ${id}`,
    ),
  );
  if (!row) return notFound('enrollment', id);
  return new Problem(
    'illegal_transition',
    `An enrollment that is ${row.status} cannot take ${event}; nothing was changed.`,
    {
      extra: { enrollment_status: row.status, event },
    },
  );
}

export type HoldClass = 'sequence' | 'sender' | 'channel' | 'organization';

/** Switches off (`paused`) or on again, whatever is queued. Repeating it is no error and changes nothing. */
export async function hold(
  db: Database,
  ctx: Context,
  target: { class: HoldClass; id: string; paused: boolean },
  options: StopOptions = {},
): Promise<Receipt> {
  const receipt = newId();
  const action = `${target.class}.${target.paused ? 'pause' : 'resume'}`;
  const [flag] = await db.call<{ epoch: number; effective_at: Date }>(sql`
    SELECT * FROM hold_flag(${ctx.org}::uuid, ${target.class}, ${target.id}, ${target.paused}, ${options.reason ?? null},
      ${entry(ctx, action, target.class, target.id, { reason: options.reason ?? null, receipt })}::jsonb)`);
  const now = flag ?? (await held(db, ctx.org, target));
  if (!now) throw notFound(target.class, target.id);
  await options.failpoint?.('after_flag');
  await db.call(sql`
    SELECT * FROM hold_receipt(${ctx.org}::uuid, ${target.class}, ${target.id}, ${receipt}::uuid, ${target.paused ? 'paused' : 'active'},
      ${now.epoch}::int, ${now.effective_at}::timestamptz, ${actorText(ctx.actor)})`);
  await options.failpoint?.('after_cancel');
  return read(db, ctx.org, receipt, options.wait_ms);
}

/** The state of a switch that already stands as asked; null when it is not there or cannot be switched. */
async function held(
  db: Database,
  org: Uuid,
  target: { class: HoldClass; id: string; paused: boolean },
): Promise<{ epoch: number; effective_at: Date } | null> {
  const status = target.paused ? 'paused' : 'active';
  return db.inOrg(org, (tx) => {
    switch (target.class) {
      case 'sequence':
        return tx.maybe(
          sql`SELECT epoch, updated_at AS effective_at FROM sequences WHERE org_id = ${org} AND id = ${target.id} AND status = ${status}`,
        );
      case 'sender':
        return tx.maybe(
          sql`SELECT epoch, updated_at AS effective_at FROM senders WHERE org_id = ${org} AND id = ${target.id} AND status = ${status}`,
        );
      case 'channel':
        return tx.maybe(
          sql`SELECT epoch, updated_at AS effective_at FROM channel_switches WHERE org_id = ${org} AND channel = ${target.id} AND paused = ${target.paused}`,
        );
      case 'organization':
        return tx.maybe(
          sql`SELECT epoch, updated_at AS effective_at FROM organizations WHERE org_id = ${org} AND sending_paused = ${target.paused}`,
        );
    }
  });
}

/** Touches released at a time. */
const RELEASE_BATCH = 2_000;

/** A worker that dies over a release is followed by another after this; it has long been done by then. */
const FOLLOW_MS = 20_000;

/**
 * The durable job queued by the flag that ends a Hold: clears its marks, unless a later switch has raised the epoch.
 * While it works, its follower is kept in the future; when it is done there is nothing left to follow.
 */
export async function releaseHeld(
  db: Database,
  job: { org: Uuid; class: HoldClass; id: string; epoch: number },
): Promise<number> {
  const key = ['release', job.org, job.class, job.id, job.epoch].join(':');
  await db.call(sql`
    SELECT graphile_worker.add_job('release_held', ${JSON.stringify(job)}::json, job_key => ${key},
      run_at => clock_timestamp() + ${FOLLOW_MS}::int * interval '1 millisecond')`);
  let released = 0;
  for (;;) {
    const [row] = await db.call<{ n: number | null }>(sql`
      SELECT hold_release(${job.org}::uuid, ${job.class}, ${job.id}, ${job.epoch}::int, ${RELEASE_BATCH}::int) AS n`);
    released += row?.n ?? 0;
    if (!row?.n || row.n < RELEASE_BATCH) break;
  }
  await db.call(sql`SELECT graphile_worker.remove_job(${key})`);
  return released;
}

export interface Unsubscribe {
  contact_id: Uuid;
  channel: ConsentChannel;
  /** How it came: `one_click`, `page`, `api`, `reply`, `provider`; `complaint` ends what would skip steps too. */
  source: string;
  evidence?: string | null;
  touch_id?: Uuid | null;
}

/**
 * Opts a contact out of a channel (CON-4): consent revoked, address suppressed, every live enrollment with a
 * remaining step on the channel ended and its planned touches cancelled (or, by setting of its sequence, these steps
 * skipped), in one transaction; then the list of what is in flight. Repeating it is no error.
 */
export async function unsubscribe(
  db: Database,
  ctx: Context,
  input: Unsubscribe,
  options: StopOptions = {},
): Promise<Receipt> {
  const receipt = newId();
  const flag = await leaveChannel(db, ctx, input, receipt);
  if (!flag) throw notFound('contact', input.contact_id);
  await options.failpoint?.('after_flag');
  await db.call(sql`
    SELECT * FROM unsubscribe_cancel(${ctx.org}::uuid, ${input.contact_id}::uuid, ${input.channel}, ${receipt}::uuid, ${flag.cancelled}::int,
      ${actorText(ctx.actor)}, ${flag.effective_at}::timestamptz, NULL, ${input.source})`);
  await options.failpoint?.('after_cancel');
  return read(db, ctx.org, receipt, options.wait_ms);
}

/** The source that leaves nothing to go on, as unsubscribe_flag knows it. */
const COMPLAINT = 'complaint';

/** How often enrollments that go on are read and decided again because they changed meanwhile. */
const MAX_ROUNDS = 8;
/** serialization_failure: ours, see skip-channel.sql. */
const CHANGED = '40001';

interface Left {
  cancelled: number;
  effective_at: Date;
}

/**
 * An opt-out is never refused: an enrollment that keeps changing is left to the gate in the end, which passes its
 * touch over. Null: no such contact.
 */
async function leaveChannel(
  db: Database,
  ctx: Context,
  input: Unsubscribe,
  receipt: Uuid,
): Promise<Left | null> {
  const { contact_id, channel, source } = input;
  const record = entry(ctx, 'contact.unsubscribe', 'contact', contact_id, { channel, source, receipt });
  for (let round = 1; ; round++) {
    const skips = source === COMPLAINT ? [] : await readSkips(db, ctx.org, contact_id, channel);
    try {
      const [flag] = await db.call<Left>(sql`
        SELECT * FROM unsubscribe_flag(${ctx.org}::uuid, ${contact_id}::uuid, ${channel}, ${source}, ${input.evidence ?? null},
          ${input.touch_id ?? null}::uuid, ${newId()}::uuid, ${ctx.actor.type}, ${ctx.actor.id}, ${record}::jsonb, NULL,
          ${JSON.stringify(skips)}::jsonb, ${round < MAX_ROUNDS})`);
      if (flag && skips.some((skip) => skip.next_id)) await wake(db, ctx.org);
      return flag ?? null;
    } catch (error) {
      if (round === MAX_ROUNDS || pgCode(error) !== CHANGED) throw error;
    }
  }
}

/** The audit record, written by the flag's own transaction. */
function entry(
  ctx: Context,
  action: string,
  type: string,
  id: string,
  data: Record<string, unknown>,
): string {
  return auditEntry(ctx, { action, subject_type: type, subject_id: id, data });
}

function read(db: Database, org: Uuid, receipt: Uuid, wait: number | undefined): Promise<Receipt> {
  return wait ? drainedReceipt(db, org, receipt, wait) : getReceipt(db, org, receipt);
}

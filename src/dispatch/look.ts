/**
 * Conditions of due touches, looked at before anything is composed [SEQ-14, EXE-10]: steps that are passed over where
 * their condition does not hold, waits, and branches. One statement for a whole batch; it writes one thing only, that a
 * wait which is not over is looked at again when it must be. What was decided is settled like every other outcome, in
 * one transaction with the next touch, so whoever dies in between has decided nothing. A condition that the database
 * cannot evaluate ends its own touch alone: the batch is halved until it stands by itself.
 *
 * In: due touches whose steps ask something. Out: those that may go on, and settlements of the others.
 */
import type { ConditionRow } from '../contacts/segments/condition-sql.ts';
import { integers, uuids } from '../db/arrays.ts';
import { type Sql, sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';
import type { Settlement } from '../ledger/settle.ts';
import type { Step } from '../plan/sequences/definition.ts';
import { flowOf, isAsked } from '../plan/sequences/flow.ts';
import { BEGUN, conditionFault, passedBy, verdictOf } from '../plan/sequences/verdict.ts';
import type { Version } from '../plan/sequences/versions.ts';
import type { Engine } from './engine.ts';
import type { DueTouch } from './lanes.ts';
import { movedOn, settlementOfRefusal } from './outcomes.ts';
import type { Situation } from './situation.ts';

export interface Looked {
  /** Their condition holds, or is asked for nothing now: the gate says why. */
  go: DueTouch[];
  /** Of those, the ones that are stopped, for who does not ask the gate. */
  stopped: Settlement[];
  settlements: Settlement[];
  /** False: the organization was switched off; nothing was decided. */
  open: boolean;
}

/** Does any of them ask something? Nearly always none does, and nothing is read or written for it. */
export function asked(
  touches: readonly DueTouch[],
  versions: ReadonlyMap<Uuid, Version>,
): { asking: DueTouch[]; others: readonly DueTouch[] } {
  const asks = (touch: DueTouch) => {
    const definition = versions.get(touch.version_id)?.definition;
    if (touch.channel === 'wait') return true;
    if (definition === undefined || !flowOf(definition).asks) return false;
    const step = definition.steps[touch.step_no];
    return step !== undefined && isAsked(step);
  };
  const asking = touches.filter(asks);
  return { asking, others: asking.length === 0 ? touches : touches.filter((touch) => !asks(touch)) };
}

/** What one touch was found to be. */
interface Finding {
  id: Uuid;
  /** -1: its `when` does not hold; 0: no condition holds; else the number of the first that does, from 1. */
  verdict: number;
  /** Its enrollment is active and waits for it. */
  waited_for: boolean;
  running: boolean;
  open: boolean;
  /** Put back: it is looked at again later. */
  goes_on: boolean;
  /** The database's time of the look, Unix milliseconds. */
  at: number;
}

export async function look(
  engine: Pick<Engine, 'db' | 'now'>,
  org: Uuid,
  situation: Situation,
  asking: readonly DueTouch[],
): Promise<Looked> {
  const looked: Looked = { go: [], stopped: [], settlements: [], open: true };
  const known = asking.filter((touch) => situation.versions.has(touch.version_id));
  for (const touch of asking)
    if (!known.includes(touch))
      push(looked.settlements, settlementOfRefusal(touch, 'no_sender', situation.planning.now));
  if (known.length === 0) return looked;
  const { findings, faults } = await findOut(engine, org, situation, known);
  for (const touch of known) {
    const fault = faults.get(touch.id);
    if (fault !== undefined)
      push(looked.settlements, settlementOfRefusal(touch, 'condition_error', situation.planning.now, fault));
    const finding = findings.get(touch.id);
    // Somebody else has settled it.
    if (!finding || finding.goes_on) continue;
    if (!finding.open) looked.open = false;
    else if (touch.channel === 'wait') push(looked.settlements, afterWait(touch, finding, situation));
    else if (finding.verdict >= 0 || !finding.waited_for || !finding.running) {
      looked.go.push(touch);
      push(looked.stopped, stopOf(touch, finding));
    } else looked.settlements.push(skipped(touch, finding, situation));
  }
  return looked;
}

function push(settlements: Settlement[], one: Settlement | null): void {
  if (one) settlements.push(one);
}

/** Null: nothing stops it. */
function stopOf(touch: DueTouch, { waited_for, running, at }: Finding): Settlement | null {
  if (!waited_for) return settlementOfRefusal(touch, 'source_ended', at);
  return running ? null : settlementOfRefusal(touch, 'sequence_paused', at);
}

function afterWait(touch: DueTouch, finding: Finding, situation: Situation): Settlement | null {
  return stopOf(touch, finding) ?? skipped(touch, finding, situation);
}

/** Skipped for what was found; its enrollment goes on, counted from now. A plan that leads nowhere is the reason instead. */
function skipped(touch: DueTouch, { at, verdict }: Finding, { versions, planning }: Situation): Settlement {
  const version = versions.get(touch.version_id)!;
  const { reason, to } = passedBy(version.definition, touch.step_no, verdict)!;
  const moved = movedOn({ touch, version, planning, attempt: touch.attempt, at }, to);
  return {
    ...{ touch_id: touch.id, source_id: touch.source_id, at, outcome: 'skipped' },
    ...moved,
    reason: moved.ends === 'failed' ? (moved.reason ?? reason) : reason,
    ...(to === undefined ? {} : { onward: to }),
  };
}

interface Found {
  findings: Map<Uuid, Finding>;
  /** Of touches whose condition could not be evaluated: what the database has against it. */
  faults: Map<Uuid, string>;
}

/** Whatever the batch fails of, the halves of it are tried, down to the touch that is at fault. */
async function findOut(
  engine: Pick<Engine, 'db' | 'now'>,
  org: Uuid,
  situation: Situation,
  asking: readonly DueTouch[],
): Promise<Found> {
  try {
    return { findings: await ask(engine, org, situation, asking), faults: new Map() };
  } catch (error) {
    const fault = conditionFault(error);
    if (fault === null) throw error;
    if (asking.length === 1) return { findings: new Map(), faults: new Map([[asking[0]!.id, fault]]) };
    const half = asking.length >> 1;
    const first = await findOut(engine, org, situation, asking.slice(0, half));
    const second = await findOut(engine, org, situation, asking.slice(half));
    return {
      findings: new Map([...first.findings, ...second.findings]),
      faults: new Map([...first.faults, ...second.faults]),
    };
  }
}

/**
 * A wait that goes on is put back to its end here, unless something has woken it since this statement began: then
 * wake_at is not what the statement saw, and it stays due (ledger/waits.sql).
 */
async function ask(
  { db, now }: Pick<Engine, 'db' | 'now'>,
  org: Uuid,
  { versions }: Situation,
  asking: readonly DueTouch[],
): Promise<Map<Uuid, Finding>> {
  const steps = new Map<Step, number>();
  const asks = asking.map((touch) => {
    const step = versions.get(touch.version_id)!.definition.steps[touch.step_no]!;
    const number = steps.get(step) ?? steps.size;
    steps.set(step, number);
    return number;
  });
  const untils = [...steps.keys()].map((step) => step.until !== undefined);
  const moment = now?.() ?? null;
  const rows = await db.inOrg(org, (tx) =>
    tx.rows<Finding>(sql`
      WITH clock AS MATERIALIZED (
        SELECT coalesce(${moment}::timestamptz, clock_timestamp()) AS now
      ), looked AS MATERIALIZED (
        SELECT t.id, t.wake_at, clock.now, en.status = 'active' AND en.live_touch = t.id AS waited_for, s.status = 'active' AS running,
               o.status = 'active' AND NOT o.sending_paused AS open, t.not_after > clock.now AND (${untils}::boolean[])[i.ask + 1] AS early,
               CASE i.ask ${verdicts(org, [...steps.keys()])} END AS verdict
          FROM unnest(${uuids(asking.map((touch) => touch.id))}::uuid[], ${integers(asks)}::int[]) i(id, ask)
          CROSS JOIN clock
          JOIN organizations o ON o.org_id = ${org}
          JOIN touches t ON t.org_id = ${org} AND t.id = i.id AND t.state = 'planned'
          JOIN enrollments en ON en.org_id = ${org} AND en.id = t.source_id
          JOIN sequences s ON s.org_id = ${org} AND s.id = t.sequence_id
          JOIN contacts c ON c.org_id = ${org} AND c.id = t.contact_id
      ), back AS (
        UPDATE touches t SET wake_at = t.not_after FROM looked l
         WHERE t.org_id = ${org} AND t.id = l.id AND t.state = 'planned' AND t.wake_at = l.wake_at AND t.held_by IS NULL
           AND l.early AND l.verdict = 0 AND l.waited_for AND l.running AND l.open
      )
      SELECT l.id, l.verdict, l.waited_for, l.running, l.open, extract(epoch FROM l.now)::float8 * 1000 AS at,
             coalesce(l.early AND l.verdict = 0 AND l.waited_for AND l.running AND l.open, false) AS goes_on
        FROM looked l`),
  );
  return new Map(rows.map((row) => [row.id, row]));
}

/** Of each step in order, its number and what is found there, as the arms of a CASE. */
function verdicts(org: Uuid, steps: readonly Step[]): Sql {
  // In the statement `c` is the contact, `en` its enrollment; the language has its own e, k, n, s, t and v.
  const row: ConditionRow = { org, contact: sql`c`, enrollment: sql`en`, now: sql`clock.now`, since: BEGUN };
  return steps.reduce((all, step, ask) => sql`${all} WHEN ${ask}::int THEN ${verdictOf(step, row)}`, sql``);
}

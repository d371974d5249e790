/**
 * A touch explains itself (EXE-14): when and by whom it was planned, under which version and window; each decision of
 * the gate with the rules it was made by; each attempt; every event; and what is next. Reads only.
 */
import { type Place, placeOf } from '../contacts/place.ts';
import type { Database, Row, Tx } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { Uuid } from '../kernel/ids.ts';
import { notFound } from '../kernel/problem.ts';
import { type QuietRule, quietRules } from '../schedule/quiet-hours.ts';
import { type GapSettings, gapBefore, hasGap } from '../senders/gap.ts';
import { eventsOf, type RecordedEvent } from './events.ts';
import { nextOf, type TouchNext } from './next-look.ts';
import { reasonInWords } from './reasons.ts';
import { type Touch, touchColumns } from './touches.ts';

/** Events of one touch that are shown; it has a handful. */
const MAX_EVENTS = 500;

/** One gate that let it go, and what became of that attempt. */
export interface GateDecision {
  at: Date;
  token: Uuid;
  worker: string;
  lease_until: Date;
  /** The settings' version, the sender's quota periods, and the contact's day, as they were. */
  rules: Record<string, unknown>;
  /** The values composed in; null when there were none, or they were erased. */
  values: Record<string, string> | null;
  attempt: number | null;
  outcome: string | null;
  outcome_at: Date | null;
  reason: string | null;
}

export interface Explanation {
  touch: Touch;
  planned: {
    at: Date;
    by: string;
    plan_key: string;
    enrollment_id: Uuid;
    sequence: { id: Uuid; name: string; version: number };
    step: {
      id: Uuid;
      no: number;
      name: string | null;
      channel: string;
      mode: string;
      delay: Row | null;
      /** The arm it was composed with; null until then, or when the step has none. */
      variant: string | null;
      asks: Row | null;
    };
    /** The windows it was planned into; null: none, at any time. */
    sequence_window: Row | null;
    sender_window: Row | null;
    not_before: Date;
    not_after: Date | null;
    /** Drawn for it: so long after the sender's send before it, seconds; null: the sender keeps no gaps. */
    gap_s: number | null;
  };
  /** Where its recipient may be, and the hours there in which it may not go: as they are now, which the gate asks. */
  recipient: {
    time_zones: readonly string[];
    /** What they were taken from. */
    known_by: Place['known_by'];
    quiet_hours: QuietRule[];
    policy_version: number;
  };
  /** Each time the gate let it go, oldest first. */
  decisions: GateDecision[];
  /** Everything that happened to it, oldest first, with the rule in words. */
  events: (RecordedEvent & { says: string | null })[];
  provider: {
    name: string | null;
    provider_id: string | null;
    idempotency_key: string;
    said: string | null;
    /** What it says that it took for the message; null: it has not said. */
    cost: { amount: string; currency: string } | null;
  };
  state: { state: string; reason: string | null; says: string | null };
  next: TouchNext;
}

/** @throws not_found */
export async function explainTouch(db: Database, org: Uuid, id: Uuid): Promise<Explanation> {
  return db.inOrg(org, async (tx) => {
    const row = await readTouch(tx, org, id);
    const events = await eventsOf(tx, org, row.source_id, MAX_EVENTS, id);
    const decisions = await readDecisions(tx, org, row, events);
    return {
      touch: touchOf(row),
      planned: plannedOf(row),
      recipient: recipientOf(row),
      decisions,
      events: events.map((event) => ({ ...event, says: eventInWords(event, row.step) })),
      provider: {
        name: row.provider,
        provider_id: row.provider_id,
        idempotency_key: `${id}.${row.key_n}`,
        said: row.detail,
        cost: row.cost,
      },
      state: { state: row.state, reason: row.reason, says: stateInWords(row) },
      next: nextOf(row, decisions.at(-1)?.lease_until ?? null),
    };
  });
}

async function readTouch(tx: Tx, org: Uuid, id: Uuid): Promise<Row> {
  const row = await tx.maybe(sql`
    SELECT ${touchColumns}, t.source_id, t.key_n, t.token, t.detail,
           q.name AS sequence_name, q.status AS sequence_status, v.number AS version_number,
           v.definition -> 'steps' -> t.step_no AS step, v.definition -> 'window' AS sequence_window,
           s.provider, s.templates_synced_at, s.status AS sender_status, s.sending_window AS sender_window, s.min_gap_s, s.max_gap_s,
           e.status AS enrollment_status, e.live_touch, o.sending_paused, o.status AS organization_status,
           o.time_zone AS organization_zone, o.quiet_hours, o.policy_version, c.time_zone, coalesce(c.phone, c.whatsapp) AS phone,
           EXISTS (SELECT FROM channel_switches w WHERE w.org_id = t.org_id AND w.channel = t.channel AND w.paused) AS channel_paused,
           (SELECT v.properties -> 'cost' FROM contact_events v
             WHERE v.org_id = t.org_id AND v.contact_id = t.contact_id AND v.name IN ('delivered', 'bounced') AND v.touch_id = t.id
               AND v.properties ? 'cost' ORDER BY v.at DESC, v.id DESC LIMIT 1) AS cost,
           -- of what waits for its template, as its sender's account has it now
           CASE WHEN t.state = 'planned' AND t.reason IN ('template_paused', 'template_unavailable') THEN (
             SELECT json_agg(json_build_object('name', w.name, 'language', w.language, 'status', k.status))
               FROM (SELECT DISTINCT x.template ->> 'name' AS name, x.template ->> 'language' AS language
                       FROM (SELECT v.definition -> 'steps' -> t.step_no -> 'template' AS template UNION ALL
                             SELECT jsonb_array_elements(v.definition -> 'steps' -> t.step_no -> 'variants') -> 'template') x
                      WHERE x.template IS NOT NULL) w
               LEFT JOIN whatsapp_templates k ON k.org_id = t.org_id AND k.sender_id = t.sender_id AND k.name = w.name AND k.language = w.language
           ) END AS templates,
           (SELECT a.variant FROM touch_variants a WHERE a.org_id = t.org_id AND a.step_id = t.step_id AND a.touch_id = t.id) AS variant,
           l.id AS next_id, l.state AS next_state, l.step_no AS next_step_no, coalesce(l.wake_at, l.not_before) AS next_due
      FROM touches t
      JOIN organizations o ON o.org_id = t.org_id
      LEFT JOIN contacts c ON c.org_id = t.org_id AND c.id = t.contact_id
      LEFT JOIN enrollments e ON e.org_id = t.org_id AND e.id = t.source_id
      LEFT JOIN touches l ON l.org_id = t.org_id AND l.id = e.live_touch
      LEFT JOIN sequences q ON q.org_id = t.org_id AND q.id = t.sequence_id
      LEFT JOIN sequence_versions v ON v.org_id = t.org_id AND v.id = t.version_id
      LEFT JOIN senders s ON s.org_id = t.org_id AND s.id = t.sender_id
     WHERE t.org_id = ${org} AND t.id = ${id}`);
  if (!row) throw notFound('touch', id);
  return row;
}

/** The gates are found by the tokens of its events and its own; the outcome of each is the event with its token. */
async function readDecisions(
  tx: Tx,
  org: Uuid,
  row: Row,
  events: readonly RecordedEvent[],
): Promise<GateDecision[]> {
  const tokens = new Set(events.flatMap((event) => event.token ?? []));
  if (row.token) tokens.add(row.token);
  if (tokens.size === 0) return [];
  const gates = await tx.rows(sql`
    SELECT token, worker, gated_at, lease_until, rules, contents -> ${row.id}::text AS values FROM gates
     WHERE org_id = ${org} AND token = ANY (${[...tokens]}) ORDER BY gated_at`);
  return gates.map((gate) => {
    // The last one counts: an attempt can be unknown first and found out later.
    const outcome = events.findLast((event) => event.token === gate.token && event.type !== 'resolved');
    return {
      at: gate.gated_at,
      token: gate.token,
      worker: gate.worker,
      lease_until: gate.lease_until,
      rules: rulesFor(gate.rules, row.sender_id),
      values: gate.values,
      attempt: outcome?.attempt ?? (gate.token === row.token ? row.attempt : null),
      outcome: outcome?.type ?? null,
      outcome_at: outcome?.at ?? null,
      reason: outcome?.reason ?? null,
    };
  });
}

/** What waits for its template says which, and what is known of it now. */
function stateInWords({ reason, step, templates, templates_synced_at }: Row): string | null {
  const says = lookInWords(reason, step);
  if (!templates) return says;
  const states = templates.map(
    ({ name, language, status }: Row) => `${name} (${language}) is ${status ?? 'not there'}`,
  );
  const known = templates_synced_at
    ? ` when they were fetched last, ${templates_synced_at.toISOString()}`
    : '';
  return `${says}. In the account of its sender ${states.join(', ')}${known}`;
}

function eventInWords({ type, reason, data }: RecordedEvent, step: Row | null): string | null {
  if (type === 'moved' && data)
    return `its enrollment was moved from version ${data.from_version} to version ${data.to_version} of the sequence`;
  return lookInWords(reason, step);
}

/** Of a decision, where it led too. */
function lookInWords(reason: string | null, step: Row | null): string | null {
  const says = reasonInWords(reason);
  if (reason === null || !reason.startsWith('arm:') || !step?.branches) return says;
  const target =
    reason === 'arm:otherwise' ? step.otherwise : step.branches[Number(reason.slice(4)) - 1]?.go_to;
  if (target === undefined) return `${says}; it went on to the next step of the list`;
  return target === 'end' ? `${says}; it led to the end` : `${says}; it led to the step "${target}"`;
}

const ASKS = ['when', 'until', 'at_most', 'branches', 'otherwise', 'next'] as const;

/** What a step looks at, and where it leads, as its version has it; null: nothing, and to the next one. */
function asksOf(step: Row | null): Row | null {
  const asks = ASKS.flatMap((name) => (step?.[name] === undefined ? [] : [[name, step[name]]]));
  return asks.length === 0 ? null : Object.fromEntries(asks);
}

/** Of the batch's rules, those that were this touch's. */
function rulesFor(rules: Row, sender: Uuid | null): Record<string, unknown> {
  return {
    policy_version: rules.policy_version ?? null,
    contact_day: rules.contact_day ?? null,
    sender_day: rules.senders?.[sender ?? '']?.day ?? null,
    sender_hour: rules.senders?.[sender ?? '']?.hour ?? null,
  };
}

function plannedOf(row: Row): Explanation['planned'] {
  const gap: GapSettings = { min_gap_s: row.min_gap_s, max_gap_s: row.max_gap_s };
  return {
    at: row.created_at,
    by: row.planned_by,
    plan_key: `${row.source_id}.${row.generation}.${row.step_id}.${row.n}`,
    enrollment_id: row.source_id,
    sequence: { id: row.sequence_id, name: row.sequence_name, version: row.version_number },
    step: {
      id: row.step_id,
      no: row.step_no,
      name: row.step?.name ?? null,
      channel: row.channel,
      mode: row.mode,
      delay: row.step?.delay ?? null,
      variant: row.variant,
      asks: asksOf(row.step),
    },
    sequence_window: row.sequence_window,
    sender_window: row.sender_window,
    not_before: row.not_before,
    not_after: row.not_after,
    gap_s: hasGap(gap) ? gapBefore(row.id, gap) / 1000 : null,
  };
}

function recipientOf(row: Row): Explanation['recipient'] {
  const place = placeOf({ time_zone: row.time_zone, phone: row.phone }, row.organization_zone);
  return {
    time_zones: place.zones,
    known_by: place.known_by,
    quiet_hours: quietRules(row.channel, row.quiet_hours, place),
    policy_version: row.policy_version,
  };
}

const TOUCH_MEMBERS = [
  'id',
  'state',
  'enrollment_id',
  'sequence_id',
  'version_id',
  'step_id',
  'step_no',
  'generation',
  'n',
  'contact_id',
  'sender_id',
  'channel',
  'mode',
  'due_at',
  'next_look_at',
  'not_before',
  'not_after',
  'held_by',
  'attempt',
  'needs_review',
  'reason',
  'provider_id',
  'planned_by',
  'created_at',
  'gated_at',
  'settled_at',
] as const satisfies readonly (keyof Touch)[];

function touchOf(row: Row): Touch {
  return Object.fromEntries(TOUCH_MEMBERS.map((name) => [name, row[name]])) as unknown as Touch;
}

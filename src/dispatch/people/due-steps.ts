/**
 * Due steps as people read them [DUE-1]: what waits for somebody, by the viewer's days, each with its contact, the text
 * as it would go, and the way there (a profile to open, a number to call). Reads only.
 */
import { CHANNELS, type Channel, isSenderChannel } from '../../kernel/channels.ts';
import type { Uuid } from '../../kernel/ids.ts';
import { listOrder, type Page, type PageRequest, pageOf, positionOf } from '../../kernel/page.ts';
import { notFound, Problem } from '../../kernel/problem.ts';
import { readPlanning } from '../../plan/sequences/calendar.ts';
import type { Step } from '../../plan/sequences/definition.ts';
import { freeTextRefusal } from '../../plan/sequences/free-text.ts';
import { type DraftText, editableParts } from '../../plan/sequences/steps/draft.ts';
import { addressFor } from '../../plan/sequences/steps/step-kind.ts';
import { templateRefusal } from '../../plan/sequences/template-state.ts';
import { bucketOf, type DueBucket, type DueDays, dueDays } from '../../schedule/due-buckets.ts';
import type { SenderSettings } from '../../senders/senders.ts';
import { stepOf } from '../compose.ts';
import type { Engine } from '../engine.ts';
import { type DueTouch, readTouches } from '../lanes.ts';
import { asked, look } from '../look.ts';
import { placeOfTouch, readSituation, type Situation } from '../situation.ts';
import { countDue, type DueFilter, type DueRow, dueRows, readDueRow } from './due-rows.ts';
import { type ShownDraft, showDrafts } from './shown-draft.ts';
import { shownAs } from './went.ts';

const ORDER = listOrder('due_steps', ['time', 'uuid']);

/** What reading needs of the dispatcher. */
export type DueReader = Pick<Engine, 'db' | 'versions' | 'unsubscribeUrl' | 'now'>;

export interface DueStep extends Omit<DueRow, 'due_exactly' | 'went'> {
  bucket: DueBucket;
  enrollment_id: Uuid;
  sequence: { id: Uuid; name: string };
  step: { id: Uuid; no: number; name: string | null };
  channel: Channel;
  contact: {
    id: Uuid;
    first_name: string | null;
    last_name: string | null;
    company: string | null;
    title: string | null;
    email: string | null;
    phone: string | null;
    linkedin: string | null;
    /** Where they may be; every one is possible. */
    time_zones: readonly string[];
  };
  /** Null: people do it themselves. */
  sender: { id: Uuid; name: string; from: string } | null;
  to: string | null;
  draft: ShownDraft;
  /** The parts of the draft that may be written. */
  editable: (keyof DraftText)[];
  /** To be opened by a person: a profile, a call. */
  link: string | null;
  /** For the copy button of what is done outside. */
  copy_text: string | null;
}

export interface DueList extends Page<DueStep> {
  counts: Record<DueBucket, number>;
  /** Today, in `time_zone`. */
  day: string;
  time_zone: string;
}

export interface DueQuery extends DueFilter, PageRequest {
  bucket?: DueBucket | undefined;
  /** The viewer's; the organization's when absent. */
  time_zone?: string | undefined;
}

/** Without a bucket: all but the stale. @throws Problem invalid_request (the zone, the cursor) */
export async function listDueSteps(reader: DueReader, org: Uuid, query: DueQuery): Promise<DueList> {
  const { days, time_zone } = await viewersDays(reader, org, query.time_zone);
  const { buckets } = days;
  const span = query.bucket ? buckets[query.bucket] : { from: buckets.overdue.from, to: buckets.upcoming.to };
  const after = positionOf(query, ORDER);
  const { rows, counts } = await reader.db.inOrg(org, async (tx) => ({
    rows: await tx.rows<DueRow>(dueRows(org, query, span, after, query.limit + 1)),
    counts: await countDue(tx, org, query, buckets),
  }));
  const { items, next_cursor } = pageOf(rows, query, ORDER, (row) => [row.due_exactly, row.id]);
  return { items: await show(reader, org, items, days), next_cursor, counts, day: days.day, time_zone };
}

/** @throws Problem not_found (or no person's) */
export async function getDueStep(
  reader: DueReader,
  org: Uuid,
  id: Uuid,
  timeZone?: string,
): Promise<DueStep> {
  const row = await readDueRow(reader.db, org, id);
  const { days } = await viewersDays(reader, org, timeZone);
  const [step] = row ? await show(reader, org, [row], days) : [];
  if (!step) throw notFound('due step', id);
  return step;
}

async function viewersDays(
  reader: DueReader,
  org: Uuid,
  wanted: string | undefined,
): Promise<{ days: DueDays; time_zone: string }> {
  const { now, organization } = await readPlanning(reader.db, org, [], reader.now?.() ?? null);
  const time_zone = wanted ?? organization.time_zone;
  const days = dueDays(now, time_zone);
  if (days) return { days, time_zone };
  throw new Problem('invalid_request', `There is no time zone "${time_zone}"`, {
    errors: [
      { field: 'time_zone', code: 'unknown_zone', message: 'Give an IANA name such as Europe/Berlin' },
    ],
  });
}

async function show(
  reader: DueReader,
  org: Uuid,
  rows: readonly DueRow[],
  days: DueDays,
): Promise<DueStep[]> {
  if (rows.length === 0) return [];
  const touches = await readTouches(
    reader.db,
    org,
    rows.map((row) => row.id),
  );
  const byId = new Map(touches.map((touch) => [touch.id, touch]));
  const found = rows.filter((row) => byId.has(row.id));
  const inOrder = found.map((row) => byId.get(row.id)!);
  const situation = await readSituation(reader, org, inOrder);
  const drafts = await showDrafts(reader, org, situation, inOrder);
  const unasked = await conditionsFalse(reader, org, situation, inOrder);
  return found.map((row, i) => {
    const draft = drafts[i]!;
    const due = row.due_at.getTime() <= situation.planning.now;
    const problem = (due && unasked.get(row.id)) || draft.problem;
    const shown = shownAs(row.state, row.went, { ...draft, problem });
    return dueStep(row, inOrder[i]!, situation, shown, days);
  });
}

const CONDITION_FALSE = {
  code: 'condition_false',
  detail: 'Its condition does not hold; carrying it out is refused, and its enrollment goes on without it',
};

const CONDITION_ERROR = {
  code: 'condition_error',
  detail:
    'Its condition cannot be evaluated for this contact; carrying it out is refused, and its enrollment ends',
};

/** Those that wait and whose condition does not hold now, and why. Nothing is decided by reading. */
async function conditionsFalse(
  reader: DueReader,
  org: Uuid,
  situation: Situation,
  touches: readonly DueTouch[],
): Promise<ReadonlyMap<Uuid, typeof CONDITION_FALSE>> {
  const planned = touches.filter((touch) => touch.state === 'planned');
  const { asking } = asked(planned, situation.versions);
  if (asking.length === 0) return new Map();
  const { settlements } = await look(reader, org, situation, asking);
  return new Map(
    settlements.map(({ touch_id, reason }) => [
      touch_id,
      reason === 'condition_error' ? CONDITION_ERROR : CONDITION_FALSE,
    ]),
  );
}

function dueStep(
  { due_exactly: _, went: __, ...row }: DueRow,
  touch: DueTouch,
  situation: Situation,
  draft: ShownDraft,
  days: DueDays,
): DueStep {
  const version = situation.versions.get(touch.version_id);
  const step = version && stepOf(situation, version, touch).step;
  const sender = touch.sender_id === null ? undefined : situation.planning.senders.get(touch.sender_id);
  const { first_name, last_name, company, title, email, phone, linkedin } = touch;
  return {
    ...row,
    blocked:
      row.blocked ??
      (step && sender && row.state === 'planned' ? barred(touch, step, sender, situation) : null),
    bucket: bucketOf(row.due_at.getTime(), days),
    enrollment_id: touch.source_id,
    sequence: { id: touch.sequence_id, name: version?.sequence_name ?? '' },
    step: { id: touch.step_id, no: touch.step_no, name: step?.name ?? null },
    channel: touch.channel,
    contact: {
      ...{ id: touch.contact_id, first_name, last_name, company, title, email, phone, linkedin },
      time_zones: placeOfTouch(touch, situation.planning).zones,
    },
    sender: sender ? { id: sender.id, name: sender.name, from: sender.from_address } : null,
    to: addressFor(touch.channel, touch),
    draft,
    editable: step && row.state === 'planned' ? editableParts(step) : [],
    link: linkFor(touch),
    copy_text: isSenderChannel(touch.channel) ? null : draft.text,
  };
}

/** What the gate lets through and its channel does not: free text to whom it may not be written now, a template that is not approved. */
function barred(
  { contact_id }: DueTouch,
  step: Step,
  sender: SenderSettings,
  { wrote, planning, templates }: Situation,
): string | null {
  return (
    freeTextRefusal({ step, contact_id }, sender, wrote, planning.now) ??
    templateRefusal(step, sender.id, templates)
  );
}

const WEB = /^https?:\/\//i;

function linkFor(touch: DueTouch): string | null {
  const address = addressFor(touch.channel, touch);
  if (address === null || CHANNELS[touch.channel].by === 'program') return null;
  if (touch.channel === 'call') return `tel:${address}`;
  return WEB.test(address) ? address : `https://www.linkedin.com/in/${encodeURIComponent(address)}`;
}

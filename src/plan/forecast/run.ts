/**
 * The forecast: what is on the agenda, worked in memory as the lanes will work it, with no provider and nothing written.
 * Time goes from one due moment to the next; at each, a batch is read, looked at, passed by its senders' limits, and
 * leads to its follow-ups: by the functions that plan, postpone and settle (plan/sequences/later.ts, step-time.ts). Every
 * send is taken for accepted, and nobody answers, bounces or leaves.
 */
import { touchId, type Uuid } from '../../kernel/ids.ts';
import type { Planning } from '../sequences/calendar.ts';
import { againFrom, openFrom, type Postponement } from '../sequences/later.ts';
import { delayOver, reopening } from '../sequences/next.ts';
import { after, firstToDo, nextN } from '../sequences/place.ts';
import { through } from '../sequences/step-sender.ts';
import { timeOfStep } from '../sequences/step-time.ts';
import { type Calendar, closedBy, rulesFor } from '../sequences/time-rules.ts';
import { passedBy } from '../sequences/verdict.ts';
import type { Agenda, Cohort, Way } from './agenda.ts';
import { isAssumed } from './conditional.ts';
import type { ContactRooms } from './contact-room.ts';
import type { SenderRoom } from './sender-room.ts';
import type { Tally } from './tally.ts';

export interface Course {
  planning: Planning;
  agenda: Agenda;
  tally: Tally;
  rooms: ReadonlyMap<Uuid, SenderRoom>;
  /** Null: the organization has no frequency cap. */
  contacts: ContactRooms | null;
  /** Why touches through this sender on this channel wait without a time; null: they do not. */
  stoppedBy(cohort: Cohort): string | null;
  /** Unix milliseconds: nothing is looked at from then on. */
  until: number;
  /** Its days, counted from today. */
  days: number;
  /** Times are told apart by so much, milliseconds. */
  grain: number;
  batch: number;
  budget_ms: number;
}

interface Item {
  cohort: Cohort;
  count: number;
}

export function run(course: Course): void {
  const { agenda, tally, until, batch } = course;
  for (let at = agenda.next(); at !== null && at < until; at = agenda.next()) {
    if (tally.finished) return;
    let items: Item[] = [];
    let room = batch;
    for (const cohort of agenda.take(at)) {
      for (let left = cohort.count; left > 0; ) {
        const count = Math.min(left, room);
        items.push({ cohort, count });
        left -= count;
        room -= count;
        if (room > 0) continue;
        work(course, items, at);
        items = [];
        room = batch;
      }
    }
    if (items.length > 0) work(course, items, at);
  }
  for (let at = agenda.next(); at !== null; at = agenda.next())
    for (const cohort of agenda.take(at)) tally.later(cohort, cohort.count);
}

/** One batch: looked at, passed by its contacts' caps and through its senders, sent or put off. */
function work(course: Course, items: readonly Item[], at: number): void {
  const asking = new Map<SenderRoom | null, Item[]>();
  for (const item of items) {
    if (isHeld(course, item) || isPassedBy(course, item, at) || isPutOff(course, item, at)) continue;
    const { sender_id } = item.cohort;
    append(asking, sender_id === null ? null : course.rooms.get(sender_id)!, item);
  }
  for (const [room, batch] of underCaps(course, asking, at)) {
    if (room === null) for (const item of batch) goes(course, item, at);
    else throughSender(course, room, batch, at);
  }
}

type BySender = ReadonlyMap<SenderRoom | null, Item[]>;

/** Those that no cap of their contacts keeps back, in the order in which the gate is given them. */
function underCaps(course: Course, asking: BySender, at: number): BySender {
  const { contacts } = course;
  if (contacts === null) return asking;
  const entries = [...asking].flatMap(([room, batch]) => batch.map((item) => ({ room, item })));
  const caps = contacts.pass(
    entries.map(({ item }) => item.cohort),
    at,
  );
  const left = new Map<SenderRoom | null, Item[]>();
  entries.forEach(({ room, item }, i) => {
    const cap = caps[i] ?? null;
    if (cap === null) append(left, room, item);
    else putOff(course, item, cap, at);
  });
  return left;
}

function throughSender(course: Course, room: SenderRoom, batch: readonly Item[], at: number): void {
  const days: Item[] = [];
  const gaps: Item[] = [];
  for (const { cohort, go, waits } of room.pass(batch, at)) {
    if (go > 0) goes(course, { cohort, count: go }, at);
    for (const { reason, count } of waits) {
      const limited = { cohort: { ...cohort, limit: reason }, count };
      if (reason === 'sender_gap') gaps.push(limited);
      else if (reason === 'quota_hour') putOff(course, limited, reason, at);
      else days.push(limited);
    }
  }
  const later = [
    ...(days.length > 0 ? room.ontoDays(days, at, course.days) : []),
    ...(gaps.length > 0 ? room.ontoGaps(gaps, at, course.until) : []),
  ];
  for (const { cohort, count, at: moment } of later) again(course, cohort, count, moment);
}

function append<K>(lists: Map<K, Item[]>, key: K, item: Item): void {
  const list = lists.get(key);
  if (list) list.push(item);
  else lists.set(key, [item]);
}

function isHeld({ stoppedBy, tally }: Course, { cohort, count }: Item): boolean {
  const reason = stoppedBy(cohort);
  if (reason === null) return false;
  tally.held(cohort, count, reason);
  return true;
}

/** A wait, a branch, or a step whose condition does not hold: nothing is sent, and the way goes on from here. */
function isPassedBy(course: Course, item: Item, at: number): boolean {
  const { way, step_id, step_no, channel } = item.cohort;
  const { definition } = way.version;
  const there = definition.steps[step_no]?.id === step_id;
  const passed = there ? passedBy(definition, step_no, way.verdicts?.get(step_no) ?? 0) : null;
  if (passed === null && channel !== 'wait') return false;
  follow(course, item, at, passed?.to);
  return true;
}

/** Does a wait last to its end, by what it finds as things are now? */
export function lasts(verdict: number | undefined): boolean {
  return (verdict ?? 0) === 0;
}

/** As look-at-time.ts looks: whether it is open now, and for long enough. */
function isPutOff(course: Course, item: Item, at: number): boolean {
  const { way, channel, sender_id } = item.cohort;
  const { definition } = way.version;
  const { calendar } = through(course.planning, sender_id)!;
  const open = reopening(definition, channel, at, calendar, way.place);
  if (open.ok && open.not_before <= at && (open.not_after ?? at + course.budget_ms) >= at + course.budget_ms)
    return false;
  const closed = open.ok && open.not_before > at;
  const reason = closed
    ? closedBy(at, rulesFor(definition, calendar, channel, way.place))
    : ('window_closed' as const);
  putOff(course, item, reason, at);
  return true;
}

/** To the next opening from the moment that the reason leaves. */
function putOff(course: Course, { cohort, count }: Item, reason: Postponement, at: number): void {
  const { planning, budget_ms, tally } = course;
  const { way, channel, sender_id } = cohort;
  const { calendar } = through(planning, sender_id)!;
  const { time_zone } = planning.organization;
  const zones = { sender: calendar.sender_zone ?? time_zone, organization: time_zone };
  const from = againFrom(reason, at, zones);
  const open = openFrom(way.version.definition, channel, from, calendar, way.place, budget_ms);
  if (open.ok) again(course, { ...cohort, limit: reason }, count, open.not_before);
  else tally.ended(cohort, count, 'bad_schedule');
}

function again({ agenda, tally, until }: Course, cohort: Cohort, count: number, at: number | null): void {
  if (at === null || at >= until) tally.later(cohort, count);
  else agenda.add({ ...cohort, at, due: at, count });
}

function goes(course: Course, item: Item, at: number): void {
  course.contacts?.count(item.cohort, at);
  course.tally.sent(item.cohort, item.count, at);
  follow(course, item, at);
}

/** The step after it, or where a branch leads, counted from when it was sent or looked at; or the end. */
export function follow(course: Course, { cohort, count }: Item, at: number, to?: number): void {
  const { way } = cohort;
  const { definition } = way.version;
  const stepNo = firstToDo(definition, to ?? after(definition, cohort), way.passed);
  if (stepNo === null) course.tally.ended(cohort, count, 'completed');
  else {
    // What people do is taken to be done when it is due.
    const conditional = cohort.conditional || cohort.mode === 'human';
    plan(course, { way, conditional, id: cohort.id }, stepNo, count, at);
  }
}

/** Puts a step on the agenda, `from` which its delay counts. */
export function plan(
  course: Course,
  { way, conditional, id }: Pick<Cohort, 'way' | 'conditional'> & { id?: Uuid },
  stepNo: number,
  count: number,
  from: number,
): void {
  const { planning, agenda, tally, until } = course;
  const { definition } = way.version;
  const step = definition.steps[stepNo]!;
  const time = timeOfStep(planning, way.version, stepNo, from, way);
  const verdict = way.verdicts?.get(stepNo);
  const next: Cohort = {
    way,
    step_id: step.id,
    step_no: stepNo,
    channel: step.channel,
    mode: step.mode,
    sender_id: time.sender_id,
    at: from,
    due: from,
    id: way.enrollment ? touchOf(way, way.enrollment, stepNo) : id!,
    count,
    limit: null,
    conditional: conditional || isAssumed(step, verdict),
  };
  if (!time.ok) {
    tally.ended(next, count, time.reason);
    return;
  }
  // Not into a time that is over: what was sent may have been so a while ago.
  const { not_before, not_after } = time.opening;
  const waits = step.channel === 'wait' && lasts(verdict);
  const moment = Math.max(planning.now, waits ? (not_after ?? not_before) : not_before);
  next.at = way.enrollment ? moment : atGrain(moment, planning.now, course.grain);
  next.due = next.at;
  if (step.channel !== 'wait') next.limit = keptBackBy(time.calendar, way, stepNo, from, not_before);
  if (next.at >= until) tally.later(next, count);
  else agenda.add(next);
}

/** The id that it will have. */
function touchOf(
  { version, passed }: Way,
  { id, generation }: { id: Uuid; generation: number },
  stepNo: number,
): Uuid {
  const { definition } = version;
  const n = nextN(definition, stepNo, passed.history);
  return touchId(id, `${generation}.${definition.steps[stepNo]!.id}.${n}`);
}

/** What kept its time back beyond its delay. */
function keptBackBy(
  calendar: Calendar,
  way: Way,
  stepNo: number,
  from: number,
  notBefore: number,
): Postponement | null {
  const { definition } = way.version;
  const rules = rulesFor(definition, calendar, definition.steps[stepNo]!.channel, way.place);
  const over = delayOver(definition, stepNo, from, calendar, rules);
  return over.ok && over.at < notBefore ? closedBy(over.at, rules) : null;
}

/** Times of many touches, told apart no finer than this; the present is itself. */
export function atGrain(at: number, now: number, grain: number): number {
  return Math.max(now, Math.floor(at / grain) * grain);
}

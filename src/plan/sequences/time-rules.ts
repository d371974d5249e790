/**
 * Which rules decide about the time of a touch [SEQ-16, CON-7]: the windows of the sequence and of its sender, the
 * recipient's quiet hours in every zone it may be in, the organization's holidays and those of every country the
 * recipient may be in. Pure; what belongs to one definition, calendar, channel and place is made once and kept.
 */
import type { Place } from '../../contacts/place.ts';
import { invariant } from '../../kernel/invariant.ts';
import { type DaysOff, joinDaysOff } from '../../schedule/days-off.ts';
import { mayBeQuiet, type QuietHours, quietRules, quietWindows } from '../../schedule/quiet-hours.ts';
import { type Closure, isOpen, type Rule, type Window } from '../../schedule/window.ts';
import type { Holidays } from '../../senders/holidays.ts';
import type { Definition, SendingWindow } from './definition.ts';

/** What of its organization and sender decides a touch's time. */
export interface Calendar {
  organization_zone: string;
  sender_window: SendingWindow | null;
  sender_zone: string | null;
  quiet_hours: QuietHours | null;
  holidays: Holidays;
}

export interface TimeRules {
  windows: readonly Window[];
  quiet: readonly Window[];
  holidays: readonly Closure[];
  all: readonly Rule[];
  /** What no business day is. */
  days_off: DaysOff | null;
}

type ByPlace = WeakMap<Place, TimeRules>;
const known = new WeakMap<Definition, WeakMap<Calendar, Map<string, ByPlace>>>();
/** For those whose place does not matter. */
const NOWHERE: Place = { key: '', zones: [], countries: [], known_by: 'organization' };

/** The sequence's zone, else the organization's. */
export function sequenceZone(definition: Definition, calendar: Pick<Calendar, 'organization_zone'>): string {
  return definition.window?.time_zone ?? definition.time_zone ?? calendar.organization_zone;
}

/** The sequence's window and its sender's. */
export function windows(definition: Definition, calendar: Calendar): Window[] {
  const own = definition.window;
  const theirs = calendar.sender_window;
  return [
    ...(own ? [{ ...own, time_zone: sequenceZone(definition, calendar) }] : []),
    ...(theirs
      ? [{ ...theirs, time_zone: theirs.time_zone ?? calendar.sender_zone ?? calendar.organization_zone }]
      : []),
  ];
}

/** Does it matter where the recipient is? If not, nobody needs to read it. */
export function needsPlace(calendar: Calendar, channel: string): boolean {
  return mayBeQuiet(channel, calendar.quiet_hours) || calendar.holidays.countries.size > 0;
}

/** `place` may be null where it does not matter. */
export function rulesFor(
  definition: Definition,
  calendar: Calendar,
  channel: string,
  place: Place | null,
): TimeRules {
  const matters = needsPlace(calendar, channel);
  invariant(place !== null || !matters, 'a recipient whose place matters has one');
  const byPlace = placesOf(definition, calendar, channel);
  const at = matters ? place! : NOWHERE;
  let rules = byPlace.get(at);
  if (rules === undefined) {
    rules = makeRules(definition, calendar, channel, matters ? place : null);
    byPlace.set(at, rules);
  }
  return rules;
}

function placesOf(definition: Definition, calendar: Calendar, channel: string): ByPlace {
  let byCalendar = known.get(definition);
  if (byCalendar === undefined) {
    byCalendar = new WeakMap();
    known.set(definition, byCalendar);
  }
  let byChannel = byCalendar.get(calendar);
  if (byChannel === undefined) {
    byChannel = new Map();
    byCalendar.set(calendar, byChannel);
  }
  let byPlace = byChannel.get(channel);
  if (byPlace === undefined) {
    byPlace = new WeakMap();
    byChannel.set(channel, byPlace);
  }
  return byPlace;
}

function makeRules(
  definition: Definition,
  calendar: Calendar,
  channel: string,
  place: Place | null,
): TimeRules {
  const { own, countries } = calendar.holidays;
  const theirs =
    place === null || countries.size === 0
      ? null
      : joinDaysOff(place.countries.map((country) => countries.get(country) ?? null));
  const holidays: Closure[] = [
    ...(own ? [{ days_off: own, time_zone: sequenceZone(definition, calendar) }] : []),
    ...(theirs ? place!.zones.map((time_zone) => ({ days_off: theirs, time_zone })) : []),
  ];
  const quiet =
    place === null ? [] : quietWindows(quietRules(channel, calendar.quiet_hours, place), place.zones);
  const hours = windows(definition, calendar);
  return {
    windows: hours,
    quiet,
    holidays,
    all: [...hours, ...quiet, ...holidays],
    days_off: joinDaysOff([own, theirs]),
  };
}

/** What keeps a touch back at this moment, most personal first. */
export function closedBy(ms: number, rules: TimeRules): 'quiet_hours' | 'holiday' | 'window_closed' {
  if (!isOpen(ms, rules.quiet)) return 'quiet_hours';
  return isOpen(ms, rules.holidays) ? 'window_closed' : 'holiday';
}

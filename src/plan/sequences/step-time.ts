/**
 * Through whom a step of an enrollment goes, and when: counted from a moment, by its version, its senders and where its
 * contact may be. Settling plans follow-ups by this; preview and forecast say them. Pure.
 */
import type { Place } from '../../contacts/place.ts';
import type { Uuid } from '../../kernel/ids.ts';
import type { Planning } from './calendar.ts';
import { type Opening, opening } from './next.ts';
import { stepThrough } from './step-sender.ts';
import type { Calendar } from './time-rules.ts';
import type { Version } from './versions.ts';

export interface Who {
  contact_id: Uuid;
  /** Senders that the enrollment keeps, whatever its version says. */
  kept: readonly Uuid[];
  place: Place;
}

export type StepTime =
  | { ok: true; sender_id: Uuid | null; calendar: Calendar; opening: Extract<Opening, { ok: true }> }
  | { ok: false; reason: 'no_sender' | 'bad_schedule'; sender_id: Uuid | null; detail: string };

/** `planning` has to have been read with the senders of the version. */
export function timeOfStep(
  planning: Planning,
  { definition, senders }: Pick<Version, 'definition' | 'senders'>,
  stepNo: number,
  from: number,
  { contact_id, kept, place }: Who,
): StepTime {
  const { channel } = definition.steps[stepNo]!;
  const found = stepThrough(planning, senders, channel, contact_id, kept);
  if (!found)
    return {
      ok: false,
      reason: 'no_sender',
      sender_id: null,
      detail: `The sequence names no sender for ${channel} that exists`,
    };
  const { calendar, sender_id } = found;
  const open = opening(definition, stepNo, from, calendar, place);
  return open.ok
    ? { ok: true, sender_id, calendar, opening: open }
    : { ok: false, reason: 'bad_schedule', sender_id, detail: open.detail };
}

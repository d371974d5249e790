/**
 * Which sender a step goes through. An enrollment uses one sender a channel: the one that its version names for the
 * channel; of several the one that it was given when it was enrolled or moved (rotation.ts), which is written down with it.
 * So every step of a channel comes from the same one, and whoever plans a touch finds it without reading anything more: a
 * version never changes, and a sender never changes its channel.
 */
import { type Channel, isSenderChannel } from '../../kernel/channels.ts';
import type { Uuid } from '../../kernel/ids.ts';
import type { Planning } from './calendar.ts';
import type { Definition } from './definition.ts';
import type { Calendar } from './time-rules.ts';

/** In the order of the definition. */
export type SendersByChannel = ReadonlyMap<Channel, readonly Uuid[]>;

/** `channelOf`: undefined for a sender that does not exist. */
export function sendersByChannel(
  definition: Pick<Definition, 'sender_ids'>,
  channelOf: (sender: Uuid) => Channel | undefined,
): SendersByChannel {
  const found = new Map<Channel, Uuid[]>();
  for (const id of definition.sender_ids) {
    const channel = channelOf(id);
    if (channel === undefined) continue;
    const list = found.get(channel);
    if (list) list.push(id);
    else found.set(channel, [id]);
  }
  return found;
}

/** Null: people do it themselves. Undefined: no sender for this channel. */
export function senderIdFor(
  senders: SendersByChannel,
  channel: Channel,
  contact: Uuid,
  kept: readonly Uuid[],
): Uuid | null | undefined {
  if (!isSenderChannel(channel)) return null;
  const list = senders.get(channel);
  for (const id of kept) if (list?.includes(id)) return id;
  // Enrolled before that was written down: the one that the contact's id gave.
  return list?.[Number.parseInt(contact.slice(-8), 16) % list.length];
}

export interface Through {
  sender_id: Uuid | null;
  /** Whose hours it keeps. */
  calendar: Calendar;
}

/** Null: there is no such sender. `planning` has to have been read with those that the step may go through. */
export function stepThrough(
  planning: Planning,
  senders: SendersByChannel,
  channel: Channel,
  contact: Uuid,
  kept: readonly Uuid[],
): Through | null {
  const id = senderIdFor(senders, channel, contact, kept);
  return id === undefined ? null : through(planning, id);
}

/** The same for a touch that names its sender already. */
export function through(planning: Planning, sender: Uuid | null): Through | null {
  const calendar = sender === null ? planning.calendar : planning.senders.get(sender)?.calendar;
  return calendar ? { sender_id: sender, calendar } : null;
}

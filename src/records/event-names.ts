/**
 * The names of contact events that mean something to Cadenza itself: the one list, from which the API's reference,
 * docs/states.md and the reactions take them. Any other name is an event of the organization's own.
 */

/** What comes back from a message. `touch_id` says from which, where that is known. */
export const MESSAGE_EVENTS = {
  message_received:
    'a reply, or any message that the contact wrote; `channel` and `auto_reply` are read from its properties',
  opened: 'a message was opened; `machine: true` when no person did it',
  clicked: 'a link was followed; `machine: true` when no person did it',
  delivered: 'the recipient’s server took it',
  bounced: 'it did not arrive; `permanence` is `hard` (nobody is written to there again) or `soft`',
  complained: 'its recipient called it spam',
  unsubscribed: 'its recipient told the provider, or answered STOP, to want no more of that channel',
} as const satisfies Record<string, string>;
export type MessageEvent = keyof typeof MESSAGE_EVENTS;

export function isMessageEvent(name: string): name is MessageEvent {
  return Object.hasOwn(MESSAGE_EVENTS, name);
}

/** What a change of a record tells (record-changes.ts). `*`: its status, in lower case with `_` for everything else. */
export const RECORD_EVENTS = {
  'deal.created': 'a deal is new',
  'deal.stage.*': 'a deal came to a stage, also the one it was made in',
  'deal.deleted': 'a deal was deleted',
  'appointment.booked': 'an appointment is new, or stands again',
  'appointment.*': 'an appointment was confirmed, cancelled, completed, or nobody came (`no_show`)',
  'appointment.rescheduled': 'an appointment begins at another time',
  'appointment.deleted': 'an appointment was deleted',
  'service_job.created': 'a service job is new',
  'service_job.*': 'a service job is scheduled, in progress, completed or cancelled',
  'service_job.rescheduled': 'a service job begins at another time',
  'service_job.deleted': 'a service job was deleted',
} as const satisfies Record<string, string>;

/** A name as the database takes it. */
export const EVENT_NAME = /^[a-z0-9][a-z0-9_.:-]{0,99}$/;

/** What a change of a record tells of its contact, as events. Pure. */
import type { Uuid } from '../kernel/ids.ts';
import type { Properties } from './properties.ts';

export const RECORD_KINDS = ['deal', 'appointment', 'service_job'] as const;
export type RecordKind = (typeof RECORD_KINDS)[number];

/** What a record of a kind may be; null: any text (a deal's stages are the organization's own). The first is where it begins. */
export const RECORD_STATUSES = {
  deal: null,
  appointment: ['booked', 'confirmed', 'completed', 'cancelled', 'no_show'],
  service_job: ['scheduled', 'in_progress', 'completed', 'cancelled'],
} as const satisfies Record<RecordKind, readonly string[] | null>;

/** The stage of a deal that names none. */
export const FIRST_STAGE = 'new';

export interface RecordFacts {
  kind: RecordKind;
  external_id: string;
  title: string | null;
  /** Of a deal, its stage. */
  status: string;
  starts_at: Date | null;
  ends_at: Date | null;
  amount: number | null;
  currency: string | null;
  properties: Properties;
}

const MAX_SLUG = 60;

/** `Closed – Won` → `closed_won`. What has no letter or digit of ASCII is `other`; the event's properties have the words. */
export function slug(text: string): string {
  const plain = text
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .slice(0, MAX_SLUG)
    .replace(/^_+|_+$/g, '');
  return plain === '' ? 'other' : plain;
}

/** The names of the events that lead from `before` (null: none) to `after` (null: deleted), in order. */
export function changeNames(before: RecordFacts | null, after: RecordFacts | null): string[] {
  const { kind } = (after ?? before)!;
  if (after === null) return [`${kind}.deleted`];
  const names: string[] = [];
  if (before === null && kind !== 'appointment') names.push(`${kind}.created`);
  if (before?.status !== after.status)
    names.push(kind === 'deal' ? `deal.stage.${slug(after.status)}` : `${kind}.${slug(after.status)}`);
  // A confirmed appointment that nobody knew of before is a booked one as well.
  if (before === null && kind === 'appointment' && after.status === 'confirmed')
    names.unshift('appointment.booked');
  const moved = before !== null && before.starts_at?.getTime() !== after.starts_at?.getTime();
  if (moved && kind !== 'deal') names.push(`${kind}.rescheduled`);
  return names;
}

/** What rules may read: the record's own properties, and over them what it is. */
export function changeProperties(id: Uuid, before: RecordFacts | null, now: RecordFacts): Properties {
  const word = now.kind === 'deal' ? 'stage' : 'status';
  return {
    ...now.properties,
    record_id: id,
    record_external_id: now.external_id,
    [word]: now.status,
    ...(before === null ? {} : { [`previous_${word}`]: before.status }),
    ...(now.starts_at === null ? {} : { starts_at: now.starts_at.toISOString() }),
    ...(now.ends_at === null ? {} : { ends_at: now.ends_at.toISOString() }),
    ...(now.amount === null ? {} : { amount: now.amount }),
    ...(now.currency === null ? {} : { currency: now.currency }),
  };
}

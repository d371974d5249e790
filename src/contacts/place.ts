/**
 * Where a contact may be, for its quiet hours and its country's holidays [CON-7]: in the zone it was given; else
 * wherever its phone number may be; else where the organization is. Pure, and the same object for equal answers, so
 * that what is computed for a place is found again.
 */
import { countriesOfZone, type PhonePlace, placeOfPhone } from './phone-place.ts';

export interface Place {
  /** Equal for equal places. */
  readonly key: string;
  /** All of them are possible. */
  readonly zones: readonly string[];
  /** ISO 3166 codes; all are possible. Read when first asked for. */
  readonly countries: readonly string[];
  /** What the zones were taken from. */
  readonly known_by: 'time_zone' | 'phone' | 'organization';
}

/** Spellings of time zones, which are not ours. */
const MAX_ZONES = 2_000;
/** By zone and phone: two short look-ups, because every planned touch comes here. */
const byZone = new Map<string, Map<PhonePlace | null, Place>>();
const byPhone = new Map<PhonePlace, Place>();

export function placeOf(
  contact: { time_zone: string | null; phone: string | null },
  organizationZone: string,
): Place {
  const phone = contact.phone === null ? null : placeOfPhone(contact.phone);
  if (contact.time_zone !== null) return atZone('time_zone', contact.time_zone, phone);
  if (phone === null || phone.zones.length === 0) return atZone('organization', organizationZone, phone);
  let place = byPhone.get(phone);
  if (place === undefined) {
    const { key, zones, countries } = phone;
    place = { key: `phone ${key}`, zones, countries, known_by: 'phone' };
    byPhone.set(phone, place);
  }
  return place;
}

function atZone(known_by: 'time_zone' | 'organization', zone: string, phone: PhonePlace | null): Place {
  const name = known_by === 'time_zone' ? zone : `organization ${zone}`;
  let places = byZone.get(name);
  if (places === undefined) {
    if (byZone.size >= MAX_ZONES) byZone.clear();
    places = new Map();
    byZone.set(name, places);
  }
  let place = places.get(phone);
  if (place === undefined) {
    place = makePlace(known_by, zone, phone);
    places.set(phone, place);
  }
  return place;
}

function makePlace(known_by: Place['known_by'], zone: string, phone: PhonePlace | null): Place {
  let countries: readonly string[] | null = null;
  return {
    key: `${known_by} ${zone} ${phone?.key ?? ''}`,
    zones: [zone],
    known_by,
    // Somebody with an American number in Berlin counts as in both: the law of either may hold.
    get countries() {
      countries ??= [...new Set([...countriesOfZone(zone), ...(phone?.countries ?? [])])];
      return countries;
    },
  };
}

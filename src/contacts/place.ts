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

/** As many as an organization's contacts come from, and the spellings of zones. */
const MAX_KNOWN = 5_000;
const known = new Map<string, Place>();

export function placeOf(
  contact: { time_zone: string | null; phone: string | null },
  organizationZone: string,
): Place {
  const phone = contact.phone === null ? null : placeOfPhone(contact.phone);
  if (contact.time_zone !== null) return keep('time_zone', [contact.time_zone], phone);
  if (phone !== null && phone.zones.length > 0) return keep('phone', phone.zones, phone);
  return keep('organization', [organizationZone], phone);
}

function keep(known_by: Place['known_by'], zones: readonly string[], phone: PhonePlace | null): Place {
  const key = `${known_by} ${known_by === 'phone' ? '' : zones[0]} ${phone?.key ?? ''}`;
  const before = known.get(key);
  if (before !== undefined) return before;
  if (known.size >= MAX_KNOWN) known.clear();
  let countries: readonly string[] | null = null;
  const place: Place = {
    key,
    zones,
    known_by,
    // Somebody with an American number in Berlin counts as in both: the law of either may hold.
    get countries() {
      countries ??=
        known_by === 'phone'
          ? phone!.countries
          : [...new Set([...countriesOfZone(zones[0]!), ...(phone?.countries ?? [])])];
      return countries;
    },
  };
  known.set(key, place);
  return place;
}

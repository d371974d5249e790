import { getCountries, getCountryCallingCode } from 'libphonenumber-js';
import { describe, expect, it } from 'vitest';
import { zonesOfAreaCode } from './area-codes.ts';
import { countriesOfZone, placeOfPhone } from './phone-place.ts';
import { placeOf } from './place.ts';

const zones = (phone: string) => placeOfPhone(phone)?.zones;
const isZone = (zone: string) => {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return true;
  } catch {
    return false;
  }
};

describe('[CON-7] where a phone number may be', () => {
  it('[CON-7] its country says where there is one clock', () => {
    expect(zones('+4930901820')).toEqual(['Europe/Berlin']);
    expect(zones('+12425550123')).toEqual(['America/Nassau']);
    expect(zones('+38344123456')).toEqual(['Europe/Belgrade']);
  });

  it('[CON-7] an American area code narrows it to its state, both clocks where it has two', () => {
    expect(zones('+12125550123')).toEqual(['America/New_York']);
    expect(zones('+14805550123')).toEqual(['America/Phoenix']);
    expect(zones('+18505550123')).toEqual(['America/New_York', 'America/Chicago']);
    expect(zones('+14165550123')).toEqual(['America/Toronto']);
    expect(placeOfPhone('+14165550123')?.countries).toEqual(['CA']);
    expect(placeOfPhone('+12125550123')?.countries).toEqual(['US']);
  });

  it('[CON-7] an unknown area code may be anywhere from Newfoundland to Hawaii', () => {
    const place = placeOfPhone('+18005550123')!;
    expect(place.zones).toEqual(
      expect.arrayContaining(['America/New_York', 'America/Phoenix', 'America/St_Johns', 'Pacific/Honolulu']),
    );
    expect(place.countries).toEqual(expect.arrayContaining(['US', 'CA']));
    expect(place.zones.length).toBeLessThan(20);
  });

  it('[CON-7] elsewhere every clock of the country is possible', () => {
    expect(zones('+61412345678')).toEqual(
      expect.arrayContaining(['Australia/Perth', 'Australia/Sydney', 'Australia/Brisbane']),
    );
    expect(zones('+79161234567')).toHaveLength(11);
    expect(zones('+77011234567')).not.toContain('Europe/Moscow');
  });

  it('[CON-7] every country has zones, all of which exist; area codes too', () => {
    for (const country of getCountries()) {
      const place = placeOfPhone(`+${getCountryCallingCode(country)}2000000`);
      expect([country, place?.zones.length]).not.toEqual([country, 0]);
      for (const zone of place?.zones ?? []) expect([zone, isZone(zone)]).toEqual([zone, true]);
    }
    let codes = 0;
    for (let code = 200; code < 1_000; code++) {
      const known = zonesOfAreaCode(String(code));
      if (known === null) continue;
      codes++;
      for (const zone of known) expect(countriesOfZone(zone), `${code} ${zone}`).toHaveLength(1);
    }
    expect(codes).toBeGreaterThan(400);
  });

  it('[CON-7] numbers of no country say nothing', () => {
    expect(placeOfPhone('+80012345678')).toBeNull();
    expect(placeOfPhone('+870773111632')).toBeNull();
  });
});

describe('[CON-7] where a contact may be', () => {
  const ORGANIZATION = 'Europe/Paris';
  const place = (time_zone: string | null, phone: string | null) =>
    placeOf({ time_zone, phone }, ORGANIZATION);

  it('[CON-7] in the zone it was given, else where its number may be, else where the organization is', () => {
    expect(place('Asia/Tokyo', '+12125550123')).toMatchObject({
      zones: ['Asia/Tokyo'],
      known_by: 'time_zone',
    });
    expect(place(null, '+12125550123')).toMatchObject({ zones: ['America/New_York'], known_by: 'phone' });
    expect(place(null, null)).toMatchObject({ zones: [ORGANIZATION], known_by: 'organization' });
    expect(place(null, '+870773111632')).toMatchObject({ zones: [ORGANIZATION], known_by: 'organization' });
  });

  it('[CON-7] in every country that number or zone may mean', () => {
    expect(place('Asia/Tokyo', '+12125550123').countries).toEqual(['JP', 'US']);
    expect(place('US/Eastern', null).countries).toEqual(['US']);
    expect(place(null, null).countries).toContain('FR');
    expect(place('UTC', null).countries).toEqual([]);
  });

  it('[CON-7] is the same object for the same place', () => {
    expect(place(null, '+12125550123')).toBe(place(null, '+16465550199'));
    expect(place(null, '+12125550123')).not.toBe(place(null, '+13125550123'));
    expect(place('Asia/Tokyo', null)).toBe(place('Asia/Tokyo', null));
  });
});

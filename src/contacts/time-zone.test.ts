import { describe, expect, it } from 'vitest';
import { zoneOfPhone } from './phone-place.ts';
import { normalizeTimeZone } from './time-zone.ts';

describe('[CON-1] time zones', () => {
  it('[CON-1] follow from a phone number only where all of its zones show one clock', () => {
    expect(zoneOfPhone('+97235550000')).toBe('Asia/Jerusalem');
    expect(zoneOfPhone('+442079460018')).toBe('Europe/London');
    expect(zoneOfPhone('+4930901820')).toBe('Europe/Berlin');
    expect(zoneOfPhone('+12025550103')).toBeNull();
    expect(zoneOfPhone('+61255501234')).toBeNull();
    expect(zoneOfPhone('+79161234567')).toBeNull();
    expect(zoneOfPhone('+351211234567')).toBeNull();
  });

  it('[CON-1] of one island in a shared calling code are known by its digits', () => {
    expect(zoneOfPhone('+18765550123')).toBe('America/Jamaica');
    expect(zoneOfPhone('+17875550123')).toBe('America/Puerto_Rico');
  });

  it('[CON-1] are IANA names; offsets and abbreviations of nowhere are not', () => {
    expect(normalizeTimeZone(' Asia/Kolkata ')).toBe('Asia/Kolkata');
    expect(normalizeTimeZone('europe/berlin')).toBe('Europe/Berlin');
    expect(normalizeTimeZone('america/port-au-prince')).toBe('America/Port-au-Prince');
    expect(normalizeTimeZone('UTC')).toBe('UTC');
    for (const name of ['+02:00', 'Berlin', 'GMT+2', 'Mars/Base', '', 'CEST', '1'])
      expect(normalizeTimeZone(name), name).toBeNull();
  });
});

/**
 * Time zones of contacts: IANA names, given or inferred from a phone number. A number says something only when
 * every zone it may lie in shows the same clock all year; else the contact has no zone of its own (a guess across
 * the United States is wrong by up to six hours, and quiet hours would break by as much).
 */
import { type CountryCode, getCountries } from 'libphonenumber-js';
import { cleanText } from './clean-text.ts';
import { callingCode, numberingPlan } from './phone-number.ts';

/** Names seen before with their canonical spelling; null when they are no zones. Bounded: input is not ours. */
const known = new Map<string, string | null>();
const MAX_KNOWN = 2_000;

/** The zone's name as IANA writes it, or null. Offsets such as `+02:00` are not zones: they know no summer time. */
export function normalizeTimeZone(text: string): string | null {
  const name = cleanText(text);
  const before = known.get(name);
  if (before !== undefined) return before;
  const zone = lookUp(name);
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(name, zone);
  return zone;
}

function lookUp(name: string): string | null {
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{1,63}$/.test(name)) return null;
  try {
    // The engine may answer with another name for the same zone (Asia/Calcutta for Asia/Kolkata): keep the given one.
    new Intl.DateTimeFormat('en', { timeZone: name });
  } catch {
    return null;
  }
  return /^(?:[A-Z][a-z]|UTC$|GMT$|EST|CST|MST|PST)/.test(name) ? name : spelling(name);
}

/** `europe/berlin` → `Europe/Berlin`; as the engine says where that is the same but for its case. */
function spelling(name: string): string {
  const resolved = new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone;
  if (resolved.toLowerCase() === name.toLowerCase()) return resolved;
  const canonical = Intl.supportedValuesOf('timeZone').find(
    (zone) => zone.toLowerCase() === name.toLowerCase(),
  );
  return canonical ?? resolved;
}

interface CodeZones {
  /** Countries known by the first digits of the national number. */
  byDigits: { digits: RegExp; zone: string | null }[];
  /** For every other number of the code. */
  others: string | null;
}

const zonesOfCodes = new Map<string, CodeZones>();

/** The one zone an E.164 number can lie in, or null. */
export function zoneOfPhone(phone: string): string | null {
  const digits = phone.slice(1);
  const code = callingCode(digits);
  if (code === null) return null;
  let zones = zonesOfCodes.get(code);
  if (zones === undefined) {
    zones = readZones(code);
    zonesOfCodes.set(code, zones);
  }
  const national = digits.slice(code.length);
  for (const { digits: first, zone } of zones.byDigits) if (first.test(national)) return zone;
  return zones.others;
}

function readZones(code: string): CodeZones {
  const byDigits: CodeZones['byDigits'] = [];
  const others: CountryCode[] = [];
  for (const country of getCountries()) {
    const plan = numberingPlan(country);
    if (plan.callingCode() !== code) continue;
    const first = plan.leadingDigits();
    if (first) byDigits.push({ digits: new RegExp(`^(?:${first})`), zone: sameClock(zonesOf([country])) });
    else others.push(country);
  }
  return { byDigits, others: sameClock(zonesOf(others)) };
}

function zonesOf(countries: CountryCode[]): string[] {
  return countries.flatMap((country) => {
    const locale = new Intl.Locale(`und-${country}`) as Intl.Locale & {
      timeZones?: string[];
      getTimeZones?: () => string[] | undefined;
    };
    // A property in older engines, a method in newer ones.
    return locale.getTimeZones?.() ?? locale.timeZones ?? [];
  });
}

/** The first of the zones when all show the same clock in winter and summer, north and south; else null. */
function sameClock(zones: string[]): string | null {
  const first = zones[0];
  if (first === undefined) return null;
  const clock = (zone: string) => {
    const format = new Intl.DateTimeFormat('en', { timeZone: zone, timeZoneName: 'longOffset' });
    return SEASONS.map(
      (day) => format.formatToParts(day).find((p) => p.type === 'timeZoneName')?.value,
    ).join();
  };
  const expected = clock(first);
  return zones.every((zone) => clock(zone) === expected) ? first : null;
}

/** One day a month of a recent year: enough to tell apart zones that change their clocks on other days. */
const SEASONS = Array.from({ length: 24 }, (_, i) => Date.UTC(2025, Math.floor(i / 2), 1 + (i % 2) * 14, 12));

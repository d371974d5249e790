/**
 * Where a telephone may be, by its number alone: the countries and time zones that share its calling code, narrowed by
 * its first digits. In: an E.164 number. Out: every zone it may be in, one of each clock, because whoever must not
 * disturb at night has to spare all of them; and the one zone it is in for sure, if it is.
 *
 * A number is in one zone for sure only when every zone of its countries shows the same clock all year: a guess
 * across the United States is wrong by up to six hours. Area codes narrow the possible, but people move with their
 * numbers, so they make nothing sure.
 */
import { type CountryCode, getCountries } from 'libphonenumber-js';
import { zonesOfAreaCode } from './area-codes.ts';
import { callingCode, numberingPlan } from './phone-number.ts';

export interface PhonePlace {
  /** Equal for equal places. */
  key: string;
  countries: readonly string[];
  zones: readonly string[];
  /** The zone when there is no other. */
  sure: string | null;
}

interface CodePlaces {
  /** Countries known by the first digits of the national number. */
  byDigits: { digits: RegExp; place: PhonePlace }[];
  /** For every other number of the code. */
  others: PhonePlace;
}

const NORTH_AMERICA = '1';
/** Countries with telephones of which the platform knows no zone. */
const ZONES_BESIDES: Record<string, readonly string[]> = {
  AC: ['Atlantic/St_Helena'],
  TA: ['Atlantic/St_Helena'],
  XK: ['Europe/Belgrade'],
};

/** Of zones with one clock, the names that people know. */
const WELL_KNOWN = new Set([
  'America/Anchorage',
  'America/Chicago',
  'America/Denver',
  'America/Halifax',
  'America/Los_Angeles',
  'America/New_York',
  'America/Phoenix',
  'America/Puerto_Rico',
  'Asia/Novosibirsk',
  'Asia/Vladivostok',
  'Asia/Yakutsk',
  'Australia/Sydney',
  'Europe/Moscow',
  'America/Sao_Paulo',
  'America/Manaus',
]);

const placesOfCodes = new Map<string, CodePlaces>();
/** By the list that area codes of one place share. */
const placesOfAreaCodes = new Map<readonly string[], PhonePlace>();

/** Null: the number says nothing, as those of satellites and of international services. */
export function placeOfPhone(phone: string): PhonePlace | null {
  const digits = phone.slice(1);
  const code = callingCode(digits);
  if (code === null) return null;
  let places = placesOfCodes.get(code);
  if (places === undefined) {
    places = readPlaces(code);
    placesOfCodes.set(code, places);
  }
  const national = digits.slice(code.length);
  for (const { digits: first, place } of places.byDigits) if (first.test(national)) return place;
  return (code === NORTH_AMERICA ? placeOfAreaCode(national.slice(0, 3)) : null) ?? places.others;
}

/** The one zone an E.164 number can lie in, or null. */
export function zoneOfPhone(phone: string): string | null {
  return placeOfPhone(phone)?.sure ?? null;
}

function readPlaces(code: string): CodePlaces {
  const byDigits: CodePlaces['byDigits'] = [];
  const all: CountryCode[] = [];
  const others: CountryCode[] = [];
  for (const country of getCountries()) {
    const plan = numberingPlan(country);
    if (plan.callingCode() !== code) continue;
    all.push(country);
    const first = plan.leadingDigits();
    if (first)
      byDigits.push({ digits: new RegExp(`^(?:${first})`), place: placeOfCountries(country, [country]) });
    else others.push(country);
  }
  return { byDigits, others: placeOfCountries(`+${code}`, others.length > 0 ? others : all) };
}

function placeOfCountries(key: string, countries: readonly string[]): PhonePlace {
  const zones = oneOfEachClock(countries.flatMap(zonesOfCountry));
  return { key, countries, zones, sure: zones.length === 1 ? zones[0]! : null };
}

function placeOfAreaCode(code: string): PhonePlace | null {
  const zones = zonesOfAreaCode(code);
  if (zones === null) return null;
  let place = placesOfAreaCodes.get(zones);
  if (place === undefined) {
    const countries = [...new Set(zones.flatMap(countriesOfZone))];
    place = { key: `+1 ${zones}`, countries, zones, sure: null };
    placesOfAreaCodes.set(zones, place);
  }
  return place;
}

function zonesOfCountry(country: string): readonly string[] {
  const locale = new Intl.Locale(`und-${country}`) as Intl.Locale & {
    timeZones?: string[];
    getTimeZones?: () => string[] | undefined;
  };
  // A property in older engines, a method in newer ones.
  const zones = locale.getTimeZones?.() ?? locale.timeZones ?? [];
  return zones.length > 0 ? zones : (ZONES_BESIDES[country] ?? []);
}

let countriesByZone: Map<string, string[]> | null = null;

/** The countries in which a zone is used; none for UTC and the like. Reads all countries once: 0.2 s. */
export function countriesOfZone(zone: string): readonly string[] {
  if (countriesByZone === null) {
    countriesByZone = new Map();
    for (const country of getCountries()) {
      for (const name of zonesOfCountry(country)) {
        countriesByZone.set(name, [...(countriesByZone.get(name) ?? []), country]);
      }
    }
  }
  return countriesByZone.get(zone) ?? countriesByZone.get(platformName(zone)) ?? [];
}

/** `US/Eastern` → `America/New_York` */
function platformName(zone: string): string {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone;
  } catch {
    return zone;
  }
}

/** One name for all zones that show the same clock in winter and summer, north and south. */
function oneOfEachClock(zones: readonly string[]): string[] {
  const byClock = new Map<string, string>();
  for (const zone of zones) {
    const clock = clockOf(zone);
    if (!byClock.has(clock) || WELL_KNOWN.has(zone)) byClock.set(clock, zone);
  }
  return [...byClock.values()];
}

function clockOf(zone: string): string {
  const format = new Intl.DateTimeFormat('en', { timeZone: zone, timeZoneName: 'longOffset' });
  return SEASONS.map(
    (day) => format.formatToParts(day).find((part) => part.type === 'timeZoneName')?.value,
  ).join();
}

/** One day a month of a recent year: enough to tell apart zones that change their clocks on other days. */
const SEASONS = Array.from({ length: 24 }, (_, i) => Date.UTC(2025, Math.floor(i / 2), 1 + (i % 2) * 14, 12));

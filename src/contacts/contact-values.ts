/** From what a caller wrote to what a contact holds, with every wrong field named at once. */
import type { CountryCode } from 'libphonenumber-js';
import { ADDRESS_KINDS, type AddressKind } from '../kernel/channels.ts';
import { type FieldError, Problem } from '../kernel/problem.ts';
import { type AttributeType, type AttributeValue, readAttribute } from './attribute-value.ts';
import { cleanText } from './clean-text.ts';
import type { Address } from './contact.ts';
import { normalizeEmail } from './email-address.ts';
import { normalizeCountry, normalizePhone } from './phone-number.ts';
import { MAX_TAGS, normalizeTag } from './tag.ts';
import { TEXT_FIELDS, TEXT_LIMITS, type TextField } from './text-fields.ts';
import { normalizeTimeZone } from './time-zone.ts';

const MAX_ADDRESSES = 50;

/** null empties a field; what is left out stays. */
export interface ContactInput {
  external_id?: string | null | undefined;
  first_name?: string | null | undefined;
  last_name?: string | null | undefined;
  company?: string | null | undefined;
  title?: string | null | undefined;
  email?: string | null | undefined;
  phone?: string | null | undefined;
  whatsapp?: string | null | undefined;
  linkedin?: string | null | undefined;
  telegram?: string | null | undefined;
  locale?: string | null | undefined;
  time_zone?: string | null | undefined;
  /** Merged by key; null takes one away. */
  attributes?: Record<string, AttributeValue | null> | undefined;
  tags?: string[] | undefined;
  addresses?: { kind: AddressKind; address: string; label?: string | null | undefined }[] | undefined;
  /** ISO 3166 code of the country that phone numbers without `+` belong to. */
  default_country?: string | undefined;
}

type Scalar = TextField | 'email' | 'phone' | 'whatsapp' | 'time_zone';

export interface ContactValues {
  scalars: Partial<Record<Scalar, string | null>>;
  attributes: Record<string, AttributeValue | null>;
  tags: string[] | null;
  addresses: Address[] | null;
}

/** @throws invalid_request */
export function readContactInput(
  input: ContactInput,
  types: ReadonlyMap<string, AttributeType>,
): ContactValues {
  const errors: FieldError[] = [];
  const wrong = (field: string, code: string, message: string) => {
    errors.push({ field, code, message });
    return null;
  };
  const country = readCountry(input.default_country, wrong);
  const scalars: ContactValues['scalars'] = {};
  for (const field of TEXT_FIELDS) setText(scalars, field, input[field], wrong);
  for (const field of ['email', 'phone', 'whatsapp'] as const) {
    const text = input[field];
    if (text === undefined) continue;
    scalars[field] = text === null ? null : readAddress(field, text, country, field, wrong);
  }
  if (input.time_zone !== undefined) {
    const zone = input.time_zone === null ? null : normalizeTimeZone(input.time_zone);
    if (zone === null && input.time_zone !== null)
      wrong('time_zone', 'invalid_time_zone', 'Give an IANA time zone, such as Europe/Berlin.');
    scalars.time_zone = zone;
  }
  const values: ContactValues = {
    scalars,
    attributes: readAttributes(input.attributes ?? {}, types, wrong),
    tags: input.tags === undefined ? null : readTags(input.tags, 'tags', wrong),
    addresses: input.addresses === undefined ? null : readAddresses(input.addresses, country, wrong),
  };
  if (errors.length > 0) throw new Problem('invalid_request', 'The contact is not valid.', { errors });
  return values;
}

type Wrong = (field: string, code: string, message: string) => null;

function readCountry(text: string | undefined, wrong: Wrong): CountryCode | null {
  if (text === undefined) return null;
  return (
    normalizeCountry(text) ??
    wrong('default_country', 'unknown_country', 'Give an ISO 3166 code, such as DE.')
  );
}

function setText(
  scalars: ContactValues['scalars'],
  field: TextField,
  text: string | null | undefined,
  wrong: Wrong,
): void {
  if (text === undefined) return;
  const value = text === null ? null : cleanText(text);
  const limit = TEXT_LIMITS[field];
  if (value !== null && value.length > limit) wrong(field, 'too_long', `At most ${limit} characters.`);
  // A blank text is no value.
  scalars[field] = value === '' ? null : value;
}

/** An address of any kind in its canonical form; `field` is where the caller wrote it. */
export function readAddress(
  kind: AddressKind,
  text: string,
  country: CountryCode | null,
  field: string,
  wrong: Wrong,
): string | null {
  if (kind === 'email') {
    return normalizeEmail(text) ?? wrong(field, 'invalid_email', 'This is not an e-mail address.');
  }
  if (kind === 'phone' || kind === 'whatsapp') {
    return normalizePhone(text, country) ?? wrong(field, 'invalid_phone', PHONE_ADVICE);
  }
  const clean = cleanText(text);
  if (clean === '' || clean.length > TEXT_LIMITS[kind])
    return wrong(field, 'invalid_address', 'Empty or too long.');
  return clean;
}

const PHONE_ADVICE =
  'This is not a phone number; write it with + and its country code, or give default_country.';

function readAttributes(
  given: Record<string, AttributeValue | null>,
  types: ReadonlyMap<string, AttributeType>,
  wrong: Wrong,
): Record<string, AttributeValue | null> {
  const read: Record<string, AttributeValue | null> = {};
  for (const [key, value] of Object.entries(given)) {
    const type = types.get(key);
    if (type === undefined) wrong(`attributes.${key}`, 'unknown_attribute', 'Define this attribute first.');
    else if (value === null) read[key] = null;
    else {
      const typed = readAttribute(type, value);
      if (typed === null) wrong(`attributes.${key}`, `invalid_${type}`, `This is not a ${type}.`);
      else read[key] = typed;
    }
  }
  return read;
}

/** Each tag once, in one spelling. */
export function readTags(given: string[], field: string, wrong: Wrong): string[] {
  const tags = new Set<string>();
  for (const [i, text] of given.entries()) {
    const tag = normalizeTag(text);
    if (tag === null) wrong(`${field}[${i}]`, 'invalid_tag', 'A tag has 1 to 100 characters.');
    else tags.add(tag);
  }
  if (tags.size > MAX_TAGS) wrong(field, 'too_many', `At most ${MAX_TAGS} tags.`);
  return [...tags];
}

function readAddresses(
  given: NonNullable<ContactInput['addresses']>,
  country: CountryCode | null,
  wrong: Wrong,
): Address[] {
  if (given.length > MAX_ADDRESSES) wrong('addresses', 'too_many', `At most ${MAX_ADDRESSES} addresses.`);
  const found = new Map<string, Address>();
  for (const [i, { kind, address: text, label }] of given.entries()) {
    if (!ADDRESS_KINDS.includes(kind)) {
      wrong(`addresses[${i}].kind`, 'unknown_kind', `One of ${ADDRESS_KINDS.join(', ')}.`);
      continue;
    }
    const address = readAddress(kind, text, country, `addresses[${i}].address`, wrong);
    if (address !== null)
      found.set(`${kind} ${address}`, { kind, address, label: cleanText(label ?? '') || null });
  }
  return [...found.values()];
}

/**
 * From one row of a file to the contact it would become. Pure: the preview and the import use the same code, so
 * what is shown is what happens. A row is refused when its identity is missing or unreadable; any other cell that
 * cannot be read is left out with a warning.
 */
import type { CountryCode } from 'libphonenumber-js';
import { newId } from '../../kernel/ids.ts';
import { type AttributeType, readAttribute } from '../attribute-value.ts';
import { cleanText, ownText } from '../clean-text.ts';
import { unguardCell } from '../csv/write.ts';
import { normalizeEmail } from '../email-address.ts';
import { normalizePhone } from '../phone-number.ts';
import { zoneOfPhone } from '../phone-place.ts';
import { MAX_TAGS, normalizeTag } from '../tag.ts';
import { TEXT_LIMITS, type TextField } from '../text-fields.ts';
import { normalizeTimeZone } from '../time-zone.ts';
import { attributeKey, type ColumnMapping, type ImportTarget } from './fields.ts';

export type Identity = 'email' | 'phone' | 'external_id';

export interface RowProblem {
  code: string;
  field: string | null;
  message: string;
}

/** The columns of `contacts` a row fills, by their names: the batch hands these to PostgreSQL as JSON. */
export interface RowContact {
  id: string;
  /** The row in the file, counted as a spreadsheet does: the header is row 1. */
  n: number;
  external_id?: string;
  first_name?: string;
  last_name?: string;
  company?: string;
  title?: string;
  email?: string;
  phone?: string;
  whatsapp?: string;
  linkedin?: string;
  telegram?: string;
  locale?: string;
  time_zone?: string;
  time_zone_from?: 'given' | 'phone';
  attributes?: Record<string, string | number | boolean>;
  tags?: readonly string[];
  /** [kind, address] */
  addresses?: ['email' | 'phone', string][];
}

export type RowResult =
  | { contact: RowContact; warnings: readonly RowProblem[] }
  | { refused: RowProblem }
  | { blank: true };

export interface RowRules {
  mapping: readonly ColumnMapping[];
  identity: Identity;
  default_country: CountryCode | null;
  /** Types of the attributes in the mapping. */
  types: ReadonlyMap<string, AttributeType>;
}

const NO_WARNINGS: readonly RowProblem[] = [];

/** Reads the cells of row `n`. Made once for a file: the mapping is looked at once, not once a row. */
export function rowReader(rules: RowRules): (cells: readonly string[], n: number) => RowResult {
  const columns = rules.mapping.flatMap(({ field }, i) =>
    field === null ? [] : [{ i, read: cellReader(field, rules), field }],
  );
  const width = rules.mapping.length;
  return (cells, n) => {
    if (isBlank(cells)) return { blank: true };
    const shape = checkShape(cells, width);
    if (shape?.refuse === true) return { refused: shape.problem };
    const draft: RowContact = { id: newId(), n };
    let warnings: readonly RowProblem[] = NO_WARNINGS;
    for (const { i, read, field } of columns) {
      const cell = cells[i];
      if (cell === undefined || cell === '') continue;
      const value = cleanText(unguardCell(cell));
      if (value === '') continue;
      const problem = read(draft, value);
      if (problem === null) continue;
      if (field === rules.identity) return { refused: problem };
      warnings = [...warnings, problem];
    }
    if (draft[rules.identity] === undefined) return { refused: missing(rules.identity) };
    if (shape !== null) warnings = [...warnings, shape.problem];
    if (draft.time_zone === undefined && draft.phone !== undefined) {
      const zone = zoneOfPhone(draft.phone);
      if (zone !== null) {
        draft.time_zone = zone;
        draft.time_zone_from = 'phone';
      }
    }
    return { contact: draft, warnings };
  };
}

function isBlank(cells: readonly string[]): boolean {
  for (const cell of cells) if (cell !== '' && cleanText(cell) !== '') return false;
  return true;
}

/** Too many cells: something in the row is not where its column says. Too few: the rest is blank. */
function checkShape(
  cells: readonly string[],
  width: number,
): { refuse: boolean; problem: RowProblem } | null {
  if (cells.length === width) return null;
  if (cells.length > width) {
    if (isBlank(cells.slice(width))) return null;
    const message = `The row has ${cells.length} cells, the header ${width}.`;
    return { refuse: true, problem: { code: 'too_many_cells', field: null, message } };
  }
  const message = `The row has only ${cells.length} cells, the header ${width}; the rest was taken as blank.`;
  return { refuse: false, problem: { code: 'too_few_cells', field: null, message } };
}

function missing(identity: Identity): RowProblem {
  return { code: `missing_${identity}`, field: identity, message: `The row has no ${WORDS[identity]}.` };
}

const WORDS: Record<Identity, string> = {
  email: 'e-mail address',
  phone: 'phone number',
  external_id: 'external id',
};

/** Writes one cell into the draft, or says what is wrong with it. */
type CellReader = (draft: RowContact, value: string) => RowProblem | null;

function cellReader(field: ImportTarget, rules: RowRules): CellReader {
  const key = attributeKey(field);
  if (key !== null) return attributeReader(key, rules.types.get(key) ?? 'text');
  switch (field) {
    case 'email':
      return addressReader('email', (value) => normalizeEmail(value));
    case 'phone':
    case 'whatsapp':
      return addressReader(field, (value) => normalizePhone(value, rules.default_country));
    case 'other_email':
      return furtherReader('email', (value) => normalizeEmail(value));
    case 'other_phone':
      return furtherReader('phone', (value) => normalizePhone(value, rules.default_country));
    case 'time_zone':
      return readTimeZone;
    case 'tags':
      return tagsReader();
    case 'full_name':
      return readFullName;
    default:
      return textReader(field as TextField);
  }
}

function addressReader(
  field: 'email' | 'phone' | 'whatsapp',
  normalize: (value: string) => string | null,
): CellReader {
  const code = field === 'email' ? 'invalid_email' : 'invalid_phone';
  const what = field === 'email' ? 'an e-mail address' : 'a phone number';
  return (draft, value) => {
    const address = normalize(value);
    if (address === null) return { code, field, message: `"${shown(value)}" is not ${what}.` };
    draft[field] = address;
    return null;
  };
}

function furtherReader(kind: 'email' | 'phone', normalize: (value: string) => string | null): CellReader {
  return (draft, value) => {
    // Google writes several values into one cell, HubSpot separates them with semicolons.
    for (const part of value.split(/ ::: |;/)) {
      const address = normalize(part);
      if (address === null)
        return {
          code: `invalid_${kind}`,
          field: `other_${kind}`,
          message: `"${shown(part)}" cannot be read.`,
        };
      draft.addresses ??= [];
      draft.addresses.push([kind, address]);
    }
    return null;
  };
}

function textReader(field: TextField): CellReader {
  const limit = TEXT_LIMITS[field];
  return (draft, value) => {
    if (value.length > limit) return { code: 'too_long', field, message: `Longer than ${limit} characters.` };
    draft[field] = value;
    return null;
  };
}

const readTimeZone: CellReader = (draft, value) => {
  const zone = normalizeTimeZone(value);
  if (zone === null)
    return {
      code: 'invalid_time_zone',
      field: 'time_zone',
      message: `"${shown(value)}" is not an IANA time zone.`,
    };
  draft.time_zone = zone;
  draft.time_zone_from = 'given';
  return null;
};

/** Cells seen before are kept with their tags: a file has few combinations. Bounded: input is not ours. */
const MAX_KNOWN_CELLS = 1_000;
const MAX_KNOWN_LENGTH = 500;

function tagsReader(): CellReader {
  const known = new Map<string, readonly string[]>();
  return (draft, value) => {
    let tags = known.get(value);
    if (tags === undefined) {
      const cell = ownText(value);
      tags = tagsOfCell(cell);
      if (known.size >= MAX_KNOWN_CELLS) known.clear();
      if (cell.length <= MAX_KNOWN_LENGTH) known.set(cell, tags);
    }
    if (draft.tags !== undefined) draft.tags = [...new Set([...draft.tags, ...tags])].slice(0, MAX_TAGS);
    else if (tags.length > 0) draft.tags = tags;
    return null;
  };
}

function tagsOfCell(cell: string): string[] {
  const tags: string[] = [];
  for (const part of cell.split(/ ::: |[;,]/)) {
    // Mailchimp quotes each tag inside the cell, Google marks its own groups with a star.
    const tag = normalizeTag(part.replace(/^\s*["*]\s*|"\s*$/g, ''));
    if (tag !== null && !tags.includes(tag) && tags.length < MAX_TAGS) tags.push(tag);
  }
  return tags;
}

const readFullName: CellReader = (draft, value) => {
  const cut = value.indexOf(' ');
  if (value.length > TEXT_LIMITS.first_name)
    return { code: 'too_long', field: 'full_name', message: 'Too long for a name.' };
  draft.first_name ??= cut === -1 ? value : value.slice(0, cut);
  if (cut !== -1) draft.last_name ??= value.slice(cut + 1).trim();
  return null;
};

function attributeReader(key: string, type: AttributeType): CellReader {
  return (draft, value) => {
    const read = readAttribute(type, value);
    if (read === null)
      return {
        code: `invalid_${type}`,
        field: `attributes.${key}`,
        message: `"${shown(value)}" is not a ${type}.`,
      };
    draft.attributes ??= {};
    draft.attributes[key] = read;
    return null;
  };
}

function shown(value: string): string {
  return value.length > 60 ? `${value.slice(0, 60)}…` : value;
}

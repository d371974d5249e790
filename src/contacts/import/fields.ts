/** What a column of a file may become, and the shapes a mapping has. */
import { Problem } from '../../kernel/problem.ts';

export const IMPORT_FIELDS = [
  'email',
  'phone',
  'external_id',
  'first_name',
  'last_name',
  'full_name',
  'company',
  'title',
  'whatsapp',
  'linkedin',
  'telegram',
  'locale',
  'time_zone',
  'tags',
  'other_email',
  'other_phone',
] as const;

export type ImportField = (typeof IMPORT_FIELDS)[number];
/** A field, or `attributes.<key>`. */
export type ImportTarget = ImportField | `attributes.${string}`;

/** These may take several columns; of every other field a contact has one. */
export const REPEATABLE = new Set<string>(['tags', 'other_email', 'other_phone']);

export const ATTRIBUTE_KEY = /^[a-z][a-z0-9_]{0,62}$/;

export type Confidence = 'high' | 'medium' | 'low';

/** One column's fate; a file's mapping is one of these a column, in their order. */
export interface ColumnMapping {
  column: string;
  field: ImportTarget | null;
  /** How sure the guess is; `given` when the caller said it. */
  confidence: Confidence | 'given';
}

export function isImportTarget(text: string): text is ImportTarget {
  if (text.startsWith('attributes.')) return ATTRIBUTE_KEY.test(text.slice('attributes.'.length));
  return (IMPORT_FIELDS as readonly string[]).includes(text);
}

export function attributeKey(target: ImportTarget): string | null {
  return target.startsWith('attributes.') ? target.slice('attributes.'.length) : null;
}

/** Which way round is meant: that in which more of the names fit, so that the wrong one is the one complained of. */
function isColumnFirst(entries: readonly [string, string | null][], header: readonly string[]): boolean {
  if (entries.every(([key]) => header.includes(key))) return true;
  let lead = 0;
  for (const [key, value] of entries) {
    if (value === null) continue;
    lead += Number(header.includes(key)) + Number(isImportTarget(value));
    lead -= Number(isImportTarget(key)) + Number(header.includes(value));
  }
  return lead >= 0;
}

/**
 * The caller's mapping, checked against the file's header. It is whole: a column that is not in it is left out.
 * Written either way round: `{"E-mail": "email"}` (column to field, null leaves it out) or `{"email": "E-mail"}`.
 * @throws invalid_request naming each column or field that does not exist or is used twice.
 */
export function mappingFrom(
  given: Record<string, string | null>,
  header: readonly string[],
): ColumnMapping[] {
  const entries = Object.entries(given);
  const columnFirst = isColumnFirst(entries, header);
  const pairs = columnFirst
    ? entries
    : entries.flatMap(([field, column]) => (column === null ? [] : [[column, field] as const]));
  const errors: { field: string; code: string; message: string }[] = [];
  const fields = new Map<string, ImportTarget>();
  const used = new Set<string>();
  for (const [column, field] of pairs) {
    const name = columnFirst ? `mapping.${column}` : `mapping.${field}`;
    if (!header.includes(column))
      errors.push({ field: name, code: 'unknown_column', message: `The file has no column "${column}".` });
    else if (field === null) continue;
    else if (!isImportTarget(field))
      errors.push({ field: name, code: 'unknown_field', message: `"${field}" is not a field of a contact.` });
    else if ((used.has(field) && !REPEATABLE.has(field)) || fields.has(column))
      errors.push({ field: name, code: 'mapped_twice', message: `"${field}" is mapped more than once.` });
    else {
      used.add(field);
      fields.set(column, field);
    }
  }
  if (errors.length > 0)
    throw new Problem('invalid_request', 'The mapping does not fit the file.', { errors });
  return header.map((column) => ({ column, field: fields.get(column) ?? null, confidence: 'given' }));
}

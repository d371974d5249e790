/**
 * Guesses what each column is, from its name as HubSpot, Apollo, Smartlead, Mailchimp and Google Contacts write it
 * and from the first values. The caller sees every guess with its confidence and may say otherwise.
 */
import { normalizeEmail } from '../email-address.ts';
import {
  ATTRIBUTE_KEY,
  type ColumnMapping,
  type Confidence,
  type ImportTarget,
  REPEATABLE,
} from './fields.ts';

/** Column names without case, blanks and punctuation. The first column that fits a field gets it. */
const NAMES: Partial<Record<string, readonly string[]>> = {
  email: [
    'email',
    'emailaddress',
    'email1value',
    'workemail',
    'primaryemail',
    'emailaddress1',
    'mail',
    'businessemail',
  ],
  phone: [
    'phone',
    'phonenumber',
    'phone1value',
    'mobilephonenumber',
    'mobilephone',
    'mobile',
    'workdirectphone',
    'primaryphone',
    'telephone',
    'tel',
    'cell',
    'cellphone',
    'contactphone',
  ],
  external_id: [
    'recordid',
    'externalid',
    'contactid',
    'hubspotid',
    'apollocontactid',
    'euid',
    'id',
    'leadid',
    'customerid',
  ],
  first_name: ['firstname', 'givenname', 'first', 'fname', 'forename'],
  last_name: ['lastname', 'familyname', 'last', 'lname', 'surname'],
  full_name: ['fullname', 'name', 'contactname', 'displayname'],
  company: [
    'company',
    'companyname',
    'organization',
    'organizationname',
    'organization1name',
    'account',
    'accountname',
    'employer',
    'associatedcompany',
    'primaryassociatedcompany',
  ],
  title: ['jobtitle', 'title', 'position', 'organizationtitle', 'organization1title', 'role'],
  whatsapp: ['whatsapp', 'whatsappnumber', 'whatsappphonenumber'],
  linkedin: [
    'linkedin',
    'linkedinurl',
    'personlinkedinurl',
    'linkedinprofile',
    'linkedinprofileurl',
    'linkedinbio',
  ],
  telegram: ['telegram', 'telegramusername'],
  locale: ['locale', 'language', 'preferredlanguage'],
  time_zone: ['timezone', 'tz', 'ianatimezone'],
  tags: ['tags', 'tag', 'labels', 'groupmembership', 'lists'],
};

const SECOND: Partial<Record<string, readonly string[]>> = {
  other_email: [
    'secondaryemail',
    'email2value',
    'email3value',
    'additionalemailaddresses',
    'personalemail',
    'emailaddress2',
    'tertiaryemail',
  ],
  other_phone: [
    'otherphone',
    'homephone',
    'corporatephone',
    'phone2value',
    'phone3value',
    'workphone',
    'secondaryphone',
  ],
};

/** Never taken for an attribute: our own error columns, and opt-in flags, which are not consent (CON-3). */
const LEFT_OUT =
  /^(?:import(?:row|result|code|field|message)|optin.*|confirm(?:time|ip)|.*optedin.*|consent.*|photo|emailslabel)$/;

const FIELD_OF_NAME = new Map(
  [...Object.entries(NAMES), ...Object.entries(SECOND)].flatMap(([field, names]) =>
    (names ?? []).map((name) => [name, field as ImportTarget] as const),
  ),
);

/** A second column for one of these is a further address. */
const FURTHER: Partial<Record<string, ImportTarget>> = { email: 'other_email', phone: 'other_phone' };

/** `samples` are the first rows' cells. */
export function guessMapping(header: readonly string[], samples: readonly string[][]): ColumnMapping[] {
  const taken = new Set<string>();
  const mapping = header.map((column, i) => guessColumn(column, valuesOf(samples, i), taken));
  if (!taken.has('email')) guessEmailByValues(mapping, samples);
  return mapping;
}

function guessColumn(column: string, values: string[], taken: Set<string>): ColumnMapping {
  const name = column.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');
  if (LEFT_OUT.test(name)) return { column, field: null, confidence: 'high' };
  const named = FIELD_OF_NAME.get(name);
  if (named !== undefined) {
    const field = taken.has(named) && !REPEATABLE.has(named) ? FURTHER[named] : named;
    if (field !== undefined) {
      taken.add(field);
      return { column, field, confidence: confidenceOf(field, values) };
    }
  }
  const key = attributeKeyOf(column);
  if (key === null || taken.has(`attributes.${key}`)) return { column, field: null, confidence: 'low' };
  taken.add(`attributes.${key}`);
  return { column, field: `attributes.${key}`, confidence: 'low' };
}

/** A name that says one thing over values that say another is worth a question. */
function confidenceOf(field: ImportTarget, values: string[]): Confidence {
  if (values.length === 0) return 'medium';
  const fits = (test: (value: string) => boolean) => values.filter(test).length >= values.length / 2;
  if (field === 'email' || field === 'other_email')
    return fits((value) => value.includes('@')) ? 'high' : 'low';
  if (field === 'phone' || field === 'other_phone' || field === 'whatsapp')
    return fits((value) => /\d{5}/.test(value.replace(/\D/g, ''))) ? 'high' : 'low';
  return 'high';
}

function guessEmailByValues(mapping: ColumnMapping[], samples: readonly string[][]): void {
  for (const [i, guess] of mapping.entries()) {
    const values = valuesOf(samples, i);
    if (values.length === 0 || values.filter((v) => normalizeEmail(v) !== null).length < values.length / 2)
      continue;
    mapping[i] = { column: guess.column, field: 'email', confidence: 'medium' };
    return;
  }
}

function valuesOf(samples: readonly string[][], column: number): string[] {
  return samples.map((row) => row[column] ?? '').filter((value) => value.trim() !== '');
}

/** `Lead Status` → `lead_status`; null when nothing of the name is left. */
function attributeKeyOf(column: string): string | null {
  const key = column
    .normalize('NFKD')
    .toLowerCase()
    .replace(/\p{M}/gu, '')
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^[^a-z]+|_+$/g, '')
    .slice(0, 63);
  return ATTRIBUTE_KEY.test(key) ? key : null;
}

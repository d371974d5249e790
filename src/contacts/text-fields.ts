/**
 * The plain text fields of a contact and how long each may be, in characters. An index entry holds 2,704 bytes and a
 * character may take four: what is searched (both names together, company) or unique must stay below that.
 */
export const TEXT_LIMITS = {
  external_id: 255,
  first_name: 200,
  last_name: 200,
  company: 255,
  title: 500,
  linkedin: 500,
  telegram: 100,
  locale: 35,
} as const;

export type TextField = keyof typeof TEXT_LIMITS;
export const TEXT_FIELDS = Object.keys(TEXT_LIMITS) as TextField[];

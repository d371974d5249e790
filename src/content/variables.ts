/**
 * The variables a template may use. One table: the check at publish, the documentation and the editor's list
 * come from it. `contact.attributes.*` are the organization's own.
 */
export const VARIABLES = [
  'contact.first_name',
  'contact.last_name',
  'contact.email',
  'contact.phone',
  'contact.linkedin',
  'contact.company',
  'contact.title',
  'sender.name',
  'sender.email',
  'sender.address',
  'organization.name',
  'organization.postal_address',
  'sequence.name',
  'unsubscribe_url',
] as const;

export const ATTRIBUTE_PREFIX = 'contact.attributes.';

/** Properties that Liquid gives to texts and lists. */
export const VALUE_PROPERTIES: ReadonlySet<string> = new Set(['size', 'first', 'last']);

/** Names a template may not assign over. */
export const RESERVED_ROOTS: ReadonlySet<string> = new Set(VARIABLES.map((name) => name.split('.')[0]!));

/**
 * The part of a path that names one of the caller's values: `contact.attributes.tags` of
 * `contact.attributes.tags.size`. What follows is read from the value itself.
 */
export function basePath(path: string[]): string[] {
  if (path[0] === 'contact' && path[1] === 'attributes') return path.slice(0, 3);
  return path.slice(0, path[0] === 'unsubscribe_url' ? 1 : 2);
}

/** Plain data for one message. Blank texts count as absent. */
export interface TemplateVars {
  contact?: {
    first_name?: string | null;
    last_name?: string | null;
    email?: string | null;
    phone?: string | null;
    linkedin?: string | null;
    company?: string | null;
    title?: string | null;
    attributes?: Record<string, unknown> | null;
  };
  /** `address`: what the channel sends from, whatever it is. */
  sender?: { name?: string | null; email?: string | null; address?: string | null };
  organization?: { name?: string | null; postal_address?: string | null };
  sequence?: { name?: string | null };
  unsubscribe_url?: string | null;
}

/** The templates of the sandbox's WhatsApp account, and what the true API has against one that is filled wrongly. */

/** Each as `GET …/message_templates` lists them. */
const TEMPLATES = [
  {
    id: '1001',
    name: 'welcome',
    language: 'en',
    status: 'APPROVED',
    category: 'MARKETING',
    parameter_format: 'POSITIONAL',
    components: [
      { type: 'HEADER', format: 'TEXT', text: 'Hello {{1}}' },
      { type: 'BODY', text: 'Dear {{1}}, thank you for asking about {{2}}.' },
      { type: 'FOOTER', text: 'The sandbox' },
      {
        type: 'BUTTONS',
        buttons: [
          { type: 'URL', text: 'Look', url: 'https://example.com/{{1}}' },
          { type: 'QUICK_REPLY', text: 'Stop promotions' },
        ],
      },
    ],
  },
  {
    id: '1002',
    name: 'appointment',
    language: 'en',
    status: 'APPROVED',
    category: 'UTILITY',
    parameter_format: 'NAMED',
    components: [{ type: 'BODY', text: 'Hi {{first_name}}, see you on {{day}}.' }],
  },
  {
    id: '1003',
    name: 'brochure',
    language: 'de',
    status: 'APPROVED',
    category: 'MARKETING',
    parameter_format: 'POSITIONAL',
    components: [
      { type: 'HEADER', format: 'DOCUMENT' },
      { type: 'BODY', text: 'Hier ist unser Prospekt.' },
    ],
  },
  {
    id: '1004',
    name: 'spring_sale',
    language: 'en',
    status: 'PENDING',
    category: 'MARKETING',
    parameter_format: 'POSITIONAL',
    components: [{ type: 'BODY', text: 'Spring is here, {{1}}!' }],
  },
] as const;

interface CloudTemplate {
  name: string;
  language: { code: string };
  components?: { type: string; index?: string | undefined; parameters: Parameters }[] | undefined;
}

interface Flaw {
  code: number;
  message: string;
}

type Parameters = readonly { type: string; [key: string]: unknown }[];

/** By name, the word that a template has instead of its usual one; null: it was deleted. */
type States = ReadonlyMap<string, string | null>;

/** As they are now. */
export function templatesNow(states: States) {
  return TEMPLATES.flatMap((one) => {
    const status = states.has(one.name) ? states.get(one.name)! : one.status;
    return status === null ? [] : [{ ...one, status }];
  });
}

/** What the true API answers of templates that were approved once. */
const TAKEN_BACK: Readonly<Record<string, Flaw>> = {
  PAUSED: { code: 132015, message: 'Template is paused due to low quality' },
  DISABLED: { code: 132016, message: 'Template is disabled' },
};

/** Null: it can be sent as it is. */
export function flawIn(
  { name, language, components = [] }: CloudTemplate,
  states: States = new Map(),
): Flaw | null {
  const template = templatesNow(states).find((one) => one.name === name && one.language === language.code);
  const back = template && TAKEN_BACK[template.status];
  if (back) return back;
  if (template === undefined || template.status !== 'APPROVED')
    return { code: 132001, message: 'Template name does not exist in the translation' };
  for (const component of template.components) {
    if (component.type !== 'HEADER' && component.type !== 'BODY') continue;
    const given = components.find(({ type }) => type === component.type.toLowerCase())?.parameters ?? [];
    const flaw =
      'format' in component && component.format !== 'TEXT'
        ? mediaFlaw(component.format.toLowerCase(), given)
        : textFlaw('text' in component ? component.text : '', given);
    if (flaw !== null) return flaw;
  }
  const buttons = template.components.flatMap((one) => ('buttons' in one ? [...one.buttons] : []));
  const wanting = buttons.findIndex(
    (one, i) => 'url' in one && one.url.includes('{{') && !hasButton(components, i),
  );
  return wanting < 0 ? null : { code: 131008, message: `Button at index ${wanting} requires a parameter` };
}

function hasButton(components: NonNullable<CloudTemplate['components']>, index: number): boolean {
  return components.some((one) => one.type === 'button' && one.index === String(index));
}

function mediaFlaw(kind: string, given: Parameters): Flaw | null {
  const [one, ...more] = given;
  if (one?.type === kind && more.length === 0 && typeof one[kind] === 'object') return null;
  return { code: 132012, message: `Format mismatch, expected ${kind.toUpperCase()}` };
}

function textFlaw(text: string, given: Parameters): Flaw | null {
  const names = [...text.matchAll(/\{\{(\w+)\}\}/g)].map(([, name]) => name!);
  if (given.length !== names.length)
    return {
      code: 132000,
      message: `Number of parameters (${given.length}) does not match (${names.length})`,
    };
  const named = names.some((name) => !/^\d+$/.test(name));
  const unfit = given.some(
    (one, i) =>
      one.type !== 'text' ||
      typeof one.text !== 'string' ||
      /[\n\t]| {5,}/.test(one.text) ||
      (named
        ? !names.includes(String(one.parameter_name))
        : one.parameter_name !== undefined || i >= names.length),
  );
  return unfit ? { code: 132012, message: 'Parameter format does not match' } : null;
}

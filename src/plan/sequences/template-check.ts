/**
 * A WhatsApp step against the template it names, as its senders' account has it [EXE-11]: it exists, is approved, and the
 * step fills what it has: header, body and buttons, by position or by name, no less and no more. Pure.
 */
import type { ValueSources, WhatsappTemplate } from '../../content/whatsapp-template.ts';
import type { Uuid } from '../../kernel/ids.ts';
import type { Template } from '../../senders/provider.ts';

export interface TemplateProblem {
  field: string;
  code: string;
  message: string;
}

/** By sender, of those whose templates were fetched; the others are not checked. */
export type KnownTemplates = ReadonlyMap<Uuid, readonly Template[]>;

/** The first sender's account in which it cannot be sent says why. */
export function templateProblems(
  step: WhatsappTemplate,
  senders: readonly { id: Uuid; name: string }[],
  known: KnownTemplates,
): TemplateProblem[] {
  for (const { id, name } of senders) {
    const templates = known.get(id);
    const problems = templates === undefined ? [] : against(step, templates, name);
    if (problems.length > 0) return problems;
  }
  return [];
}

function against(step: WhatsappTemplate, templates: readonly Template[], sender: string): TemplateProblem[] {
  const named = templates.filter(({ name }) => name === step.name);
  if (named.length === 0)
    return [
      problem(
        'name',
        'unknown_template',
        `The account of ${sender} has no template ${step.name}; fetch its templates if it is new`,
      ),
    ];
  const template = named.find(({ language }) => language === step.language);
  if (template === undefined) {
    const languages = named.map(({ language }) => language).join(', ');
    return [
      problem(
        'language',
        'unknown_language',
        `${step.name} is there in ${languages}, not in ${step.language}`,
      ),
    ];
  }
  if (template.status !== 'APPROVED')
    return [
      problem(
        'name',
        'template_not_approved',
        `${step.name} is ${template.status} in the account of ${sender}`,
      ),
    ];
  return [
    ...headerProblems(step, template),
    ...valueProblems('body', step.body, textOf(template, 'BODY'), template),
    ...buttonProblems(step, template),
  ];
}

const problem = (field: string, code: string, message: string): TemplateProblem => ({ field, code, message });

function componentOf({ components }: Template, type: string): Record<string, unknown> | undefined {
  return components.find((one) => one.type === type);
}

function textOf(template: Template, type: string): string {
  const text = componentOf(template, type)?.text;
  return typeof text === 'string' ? text : '';
}

/** In the order of the text, each once. */
function placeholders(text: string): string[] {
  return [...new Set([...text.matchAll(/\{\{\s*(\w+)\s*\}\}/g)].map(([, name]) => name!))];
}

function headerProblems({ header }: WhatsappTemplate, template: Template): TemplateProblem[] {
  const format = componentOf(template, 'HEADER')?.format;
  const kind = typeof format === 'string' ? format.toLowerCase() : null;
  if (kind === 'image' || kind === 'video' || kind === 'document')
    return header?.type === kind
      ? []
      : [problem('header', 'wrong_header', `The header of ${template.name} is a ${kind}: give its link`)];
  if (header !== undefined && header.type !== 'text')
    return [
      problem(
        'header',
        'wrong_header',
        `The header of ${template.name} is ${kind === null ? 'absent' : kind}, no ${header.type}`,
      ),
    ];
  return valueProblems('header.values', header?.values ?? [], textOf(template, 'HEADER'), template);
}

function valueProblems(
  field: string,
  values: ValueSources,
  text: string,
  template: Template,
): TemplateProblem[] {
  const wanted = placeholders(text);
  const given = Array.isArray(values) ? values.map((_, i) => String(i + 1)) : Object.keys(values);
  if (wanted.length === 0 && given.length === 0) return [];
  const named = template.parameter_format === 'named';
  if (given.length > 0 && wanted.length > 0 && Array.isArray(values) === named) {
    const how = named ? `by name: ${wanted.join(', ')}` : `by position: ${wanted.length} of them`;
    return [problem(field, 'wrong_parameters', `${template.name} takes its values ${how}`)];
  }
  const missing = wanted.filter((name) => !given.includes(name));
  const foreign = given.filter((name) => !wanted.includes(name));
  if (missing.length === 0 && foreign.length === 0) return [];
  const says = named
    ? `${template.name} takes ${wanted.join(', ') || 'no values'} here, and is given ${given.join(', ') || 'none'}`
    : `${template.name} takes ${wanted.length} values here, and is given ${given.length}`;
  return [problem(field, 'wrong_parameters', says)];
}

interface Button {
  type: string;
  /** Whether it cannot be sent without a value. */
  needs: boolean;
}

const KIND: Record<string, string> = { URL: 'url', QUICK_REPLY: 'quick_reply', COPY_CODE: 'copy_code' };

function buttonsOf(template: Template): Button[] {
  const listed = componentOf(template, 'BUTTONS')?.buttons;
  return (Array.isArray(listed) ? listed : []).map((button: Record<string, unknown>) => ({
    type: KIND[String(button.type)] ?? String(button.type).toLowerCase(),
    needs: button.type === 'COPY_CODE' || (button.type === 'URL' && String(button.url).includes('{{')),
  }));
}

function buttonProblems(step: WhatsappTemplate, template: Template): TemplateProblem[] {
  const buttons = buttonsOf(template);
  const unfit = step.buttons.flatMap(({ index, type }, i) => {
    const button = buttons[index];
    if (button === undefined)
      return [
        problem(`buttons[${i}].index`, 'unknown_button', `${template.name} has ${buttons.length} buttons`),
      ];
    const fits = button.type === type && (type !== 'url' || button.needs);
    return fits
      ? []
      : [
          problem(
            `buttons[${i}].type`,
            'wrong_button',
            `Button ${index} of ${template.name} is a ${button.type} ${button.needs ? 'with' : 'without'} a value`,
          ),
        ];
  });
  const missing = buttons.flatMap(({ needs }, index) =>
    needs && !step.buttons.some((one) => one.index === index)
      ? [problem('buttons', 'missing_button', `Button ${index} of ${template.name} needs a value`)]
      : [],
  );
  return [...unfit, ...missing];
}

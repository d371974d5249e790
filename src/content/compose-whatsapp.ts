/**
 * Approved WhatsApp templates with their placeholders filled [EXE-11]. A value is one line, as the provider demands:
 * line breaks, tabs and more than four spaces in a row are refused there (Meta's error 132000 and its kin).
 */
import type {
  TemplateButton,
  TemplateHeader,
  TemplateValues,
  WhatsappTemplateMessage,
} from '../kernel/message.ts';
import { contentHash, type Keyed } from './content-hash.ts';
import { oneLine } from './headers.ts';
import { prepareTexts } from './prepare.ts';
import { type Composition, type Refused, type Rendered, type Renderer, sharedRenderer } from './render.ts';
import type { TemplateVars } from './variables.ts';
import { sourcesOf, type ValueSources, type WhatsappTemplate } from './whatsapp-template.ts';

/** Of one value; a body is at most so long in all. */
const MAX_VALUE_CHARS = 1_024;
const MAX_HEADER_CHARS = 60;
const MAX_CODE_CHARS = 15;

export interface WhatsappJob {
  template: Keyed<WhatsappTemplate>;
  vars: TemplateVars;
  from: string;
  to: string;
}

export async function composeWhatsapp(
  batch: readonly WhatsappJob[],
  renderer: Renderer = sharedRenderer,
): Promise<Composition<WhatsappTemplateMessage>[]> {
  const rendered = await renderer.render(
    batch.map(({ template: { key, source }, vars }) => ({
      preparation: prepareTexts(
        key,
        sourcesOf(source).map((value) => value.source),
      ),
      vars,
    })),
  );
  return batch.map((job, i) => finish(job, rendered[i]!));
}

function finish(job: WhatsappJob, rendered: Rendered): Composition<WhatsappTemplateMessage> {
  if (!rendered.ok) return rendered;
  const template = job.template.source;
  const texts = rendered.texts.map(valueLine);
  const problem = valueProblem(template, texts);
  if (problem !== null) return problem;
  // In the order of sourcesOf.
  let next = 0;
  const take = () => texts[next++]!;
  const header = headerOf(template, take);
  const body = valuesOf(template.body, take);
  const buttons = template.buttons.map(({ index, type }): TemplateButton => ({ index, type, value: take() }));
  const { name, language } = template;
  const content = { name, language, ...(header === undefined ? {} : { header }), body, buttons };
  return {
    ok: true,
    message: { kind: 'whatsapp_template', from: job.from, to: job.to, template: content },
    hash: contentHash([JSON.stringify(content)]),
    used: rendered.used,
  };
}

function headerOf({ header }: WhatsappTemplate, take: () => string): TemplateHeader | undefined {
  if (header === undefined) return undefined;
  if (header.type === 'text') return { type: 'text', values: valuesOf(header.values, take) };
  const { type, filename } = header;
  return { type, link: take(), ...(filename === undefined ? {} : { filename }) };
}

function valuesOf(sources: ValueSources, take: () => string): TemplateValues {
  return Array.isArray(sources)
    ? sources.map(take)
    : Object.fromEntries(Object.keys(sources).map((name) => [name, take()]));
}

function valueProblem(template: WhatsappTemplate, texts: readonly string[]): Refused | null {
  for (const [i, { field }] of sourcesOf(template).entries()) {
    const text = texts[i]!;
    if (text === '') return { ok: false, reason: 'template_error', detail: `the value of ${field} is empty` };
    const tooLong = valueTooLong(template, field, text);
    if (tooLong !== null)
      return { ok: false, reason: 'output_too_large', detail: `the value of ${field} has ${tooLong}` };
    if (field === 'header.link' && !isHttpsLink(text))
      return { ok: false, reason: 'template_error', detail: `the value of ${field} is not an https link` };
  }
  return null;
}

function valueLine(text: string): string {
  return oneLine(text).replace(/ {5,}/g, '    ');
}

/** In words why the value of a placeholder is too long; null: it is not. */
export function valueTooLong(template: WhatsappTemplate, field: string, text: string): string | null {
  const { length } = valueLine(text);
  const limit = limitOf(template, field);
  return length > limit ? `${length} characters; at most ${limit}` : null;
}

/** As the provider fetches the file of a header from. */
export function isHttpsLink(text: string): boolean {
  return URL.canParse(text) && new URL(text).protocol === 'https:';
}

function limitOf({ buttons }: WhatsappTemplate, field: string): number {
  if (field.startsWith('header.values')) return MAX_HEADER_CHARS;
  const [, button] = /^buttons\[(\d+)\]/.exec(field) ?? [];
  return button !== undefined && buttons[Number(button)]?.type === 'copy_code'
    ? MAX_CODE_CHARS
    : MAX_VALUE_CHARS;
}

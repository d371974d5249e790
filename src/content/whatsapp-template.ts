/**
 * What a WhatsApp step says about an approved template [EXE-11]: its name and language, and for each placeholder the
 * Liquid source that fills it: a field, an attribute, an expression with its fallback. Positional or named, never both.
 */
import { z } from 'zod';
import { looksLikeTemplate } from './fixed-text.ts';

/** Limits of Meta's documentation of message templates. */
export const MAX_TEMPLATE_BUTTONS = 10;
const MAX_VALUES = 100;
const MAX_VALUE_SOURCE = 2_000;
const MAX_LINK = 2_000;

const value = z.string().min(1).max(MAX_VALUE_SOURCE);

/** In the order of `{{1}}`, `{{2}}` …, or by the names in the template. */
const valuesSchema = z.union([
  z.array(value).max(MAX_VALUES),
  z.record(z.string().regex(/^[a-z][a-z0-9_]{0,99}$/, 'lower-case letters, digits and _'), value),
]);

export const whatsappTemplateSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9_]{1,512}$/, 'lower-case letters, digits and _'),
  language: z.string().regex(/^[a-z]{2,3}(_[A-Z]{2})?$/, 'a language such as en or pt_BR'),
  header: z
    .discriminatedUnion('type', [
      z.strictObject({ type: z.literal('text'), values: valuesSchema }),
      z.strictObject({
        type: z.enum(['image', 'video', 'document']),
        link: z.string().min(1).max(MAX_LINK),
        filename: z.string().min(1).max(200).optional(),
      }),
    ])
    .optional(),
  body: valuesSchema.default([]),
  buttons: z
    .array(
      z.strictObject({
        /** Position of the button in the template, from 0. */
        index: z
          .int()
          .min(0)
          .max(MAX_TEMPLATE_BUTTONS - 1),
        type: z.enum(['url', 'quick_reply', 'copy_code']),
        value,
      }),
    )
    .max(MAX_TEMPLATE_BUTTONS)
    .default([]),
});

export type WhatsappTemplate = z.infer<typeof whatsappTemplateSchema>;
export type ValueSources = z.infer<typeof valuesSchema>;

/** A source with where it stands in the step, for whoever names a problem. */
export interface PlacedSource {
  field: string;
  source: string;
}

/** Every source, in the one order that composing fills them by. */
export function sourcesOf({ header, body, buttons }: WhatsappTemplate): PlacedSource[] {
  return [
    ...(header === undefined
      ? []
      : header.type === 'text'
        ? placed('header.values', header.values)
        : [{ field: 'header.link', source: header.link }]),
    ...placed('body', body),
    ...buttons.map((button, i) => ({ field: `buttons[${i}].value`, source: button.value })),
  ];
}

function placed(field: string, values: ValueSources): PlacedSource[] {
  return Array.isArray(values)
    ? values.map((source, i) => ({ field: `${field}[${i}]`, source }))
    : Object.entries(values).map(([name, source]) => ({ field: `${field}.${name}`, source }));
}

/** What is wrong with the mapping itself, without its sources. */
export function mappingProblems({ header, body, buttons }: WhatsappTemplate): {
  field: string;
  code: string;
  message: string;
}[] {
  const problems: { field: string; code: string; message: string }[] = [];
  if (header !== undefined && header.type !== 'text' && header.filename !== undefined) {
    if (header.type !== 'document')
      problems.push({
        field: 'header.filename',
        code: 'not_for_header',
        message: `A header of type ${header.type} shows no filename; only a document does: leave it out`,
      });
    else if (looksLikeTemplate(header.filename))
      problems.push({
        field: 'header.filename',
        code: 'no_template',
        message: 'Nothing is replaced in the filename: write it as it is shown',
      });
  }
  if (header?.type === 'text') {
    const count = Object.keys(header.values).length;
    if (count > 1)
      problems.push({
        field: 'header.values',
        code: 'too_many',
        message: 'A header has one placeholder at most',
      });
    if (count > 0 && Object.keys(body).length > 0 && Array.isArray(header.values) !== Array.isArray(body))
      problems.push({
        field: 'header.values',
        code: 'mixed_parameters',
        message: 'A template is positional or named; header and body have to agree',
      });
  }
  const seen = new Set<number>();
  buttons.forEach(({ index }, i) => {
    if (seen.has(index))
      problems.push({
        field: `buttons[${i}].index`,
        code: 'duplicate_button',
        message: `Button ${index} is filled twice`,
      });
    seen.add(index);
  });
  return problems;
}

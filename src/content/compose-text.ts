/**
 * Plain texts from templates and data: SMS, Telegram, WhatsApp text, what a person is told to do. In: a batch of jobs.
 * Out, in the same order: the text with its hash and the values used, or a typed refusal that skips this one alone.
 */
import { isBlankBody } from './blank-body.ts';
import { contentHash, type Keyed } from './content-hash.ts';
import { prepareTexts } from './prepare.ts';
import { type Composition, type Renderer, sharedRenderer } from './render.ts';
import type { TemplateVars } from './variables.ts';

export interface TextJob {
  template: Keyed<string>;
  vars: TemplateVars;
}

/** `limit`: characters that the channel takes. */
export async function composeTexts(
  batch: readonly TextJob[],
  limit: number,
  renderer: Renderer = sharedRenderer,
): Promise<Composition<string>[]> {
  const rendered = await renderer.render(
    batch.map(({ template, vars }) => ({ preparation: prepareTexts(template.key, [template.source]), vars })),
  );
  return rendered.map((one): Composition<string> => {
    if (!one.ok) return one;
    const text = plainText(one.texts[0]!);
    if (isBlankBody({ source: text, html: false }))
      return { ok: false, reason: 'template_error', detail: 'the text is empty' };
    if (text.length > limit)
      return { ok: false, reason: 'output_too_large', detail: `${text.length} characters; at most ${limit}` };
    return { ok: true, message: text, hash: contentHash([text]), used: one.used };
  });
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to take out
const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f]/g;

/** As every channel of plain text gets it. Lines end with a line feed; no other control character; nothing blank around it. */
export function plainText(text: string): string {
  return text.replace(/\r\n?/g, '\n').replace(CONTROL, ' ').trim();
}

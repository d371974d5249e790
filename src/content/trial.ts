/**
 * Renders templates once before they are published [SEQ-5], in the worker that may die and under the limits of a send:
 * what would never end, or print without measure, is found while somebody is there to correct it. Tried with everything
 * known of a contact, and with nothing, because either may lead into the loop. In: the sources of one message.
 * Out: those that are stopped, or longer than their channel takes.
 */
import * as liquid from '../../src/content/liquid.mjs';
import type { TemplateKind } from './check-template.ts';
import { keyed } from './content-hash.ts';
import { prepare } from './prepare.ts';
import { type Renderer, sharedRenderer } from './render.ts';
import { DEFAULT_WORKER_LIMITS } from './render-worker.ts';
import type { TemplateVars } from './variables.ts';

export interface TrialPart {
  field: string;
  source: string;
  kind: TemplateKind;
  /** Of what it prints: in words why the channel does not take it, and what to do; or null. */
  fits?: ((text: string) => string | null) | undefined;
}

export interface TrialProblem {
  field: string;
  code: 'template_timeout' | 'output_too_large' | 'too_long';
  message: string;
}

const KILOBYTES = liquid.MAX_OUTPUT_CHARS / 1024;

const SAYS = {
  template_timeout: `Rendering it takes longer than ${DEFAULT_WORKER_LIMITS.stuck_ms} ms and is stopped: shorten its loops, above all those within others`,
  output_too_large: `It prints more than the ${KILOBYTES} KB that a message may have: shorten its loops, above all those that append`,
} as const;

/** `samples`: of what a message is made from. Other refusals, such as a value that is missing, are no problem of the template. */
export async function tryParts(
  parts: readonly TrialPart[],
  samples: readonly TemplateVars[],
  renderer: Renderer = sharedRenderer,
): Promise<TrialProblem[]> {
  const found = new Map<string, TrialProblem>();
  for (const vars of samples) {
    const open = parts.filter(({ field }) => !found.has(field));
    const results = await renderer.render(open.map((part) => ({ preparation: prepared(part), vars })));
    let printed = 0;
    for (const [i, result] of results.entries()) {
      const { field, fits } = open[i]!;
      if (result.ok) {
        const [text] = result.texts;
        printed += text!.length;
        const tooLong = fits?.(text!);
        if (tooLong)
          found.set(field, { field, code: 'too_long', message: `For a sample contact ${tooLong}` });
      } else if (result.reason in SAYS || result.reason === 'template_busy') {
        // Not tried because the same source, with the same sample, was too slow in another field.
        const code = result.reason === 'output_too_large' ? 'output_too_large' : 'template_timeout';
        found.set(field, { field, code, message: SAYS[code] });
      }
    }
    // Each fits, and all together do not: the limit is a message's.
    const last = open.at(-1);
    if (printed > liquid.MAX_OUTPUT_CHARS && last)
      found.set(last.field, { field: last.field, code: 'output_too_large', message: SAYS.output_too_large });
  }
  return [...found.values()];
}

function prepared({ source, kind }: TrialPart) {
  const html = kind === 'html';
  const { key } = keyed('trial', [source, html]);
  return prepare(key, [source], () => [{ source, html }]);
}

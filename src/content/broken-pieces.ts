/**
 * Every piece of a template that cannot be read, not the first alone: each output and tag is tried by itself. In: a source
 * whose pieces can be told apart. Out: what is wrong with each, and the source with something harmless in their place, so
 * that the rest can be looked at too.
 */
import * as liquid from '../../src/content/liquid.mjs';
import * as tree from '../../src/content/tree.mjs';

export interface BrokenPiece {
  message: string;
  line: number;
}

/** What a tag stands in, and what may stand in its place. */
const FRAMES: Record<string, { before: string; after: string; harmless: string }> = {
  if: { before: '', after: '{% endif %}', harmless: '{% if true %}' },
  unless: { before: '', after: '{% endunless %}', harmless: '{% unless true %}' },
  elsif: { before: '{% if true %}', after: '{% endif %}', harmless: '{% elsif true %}' },
  case: { before: '', after: '{% endcase %}', harmless: '{% case 1 %}' },
  when: { before: '{% case 1 %}', after: '{% endcase %}', harmless: '{% when 1 %}' },
  for: { before: '', after: '{% endfor %}', harmless: '{% for one in (1..1) %}' },
  capture: { before: '', after: '{% endcapture %}', harmless: '{% capture one %}' },
  assign: { before: '', after: '', harmless: '' },
};
const OUTPUT = { before: '', after: '', harmless: '' };

export function brokenPieces(source: string): { broken: BrokenPiece[]; rest: string } {
  const broken: BrokenPiece[] = [];
  let rest = '';
  let line = 1;
  let inComment = false;
  for (const { kind, name, source: piece } of liquid.splitSource(source)) {
    const frame = kind === 'output' ? OUTPUT : kind === 'tag' ? FRAMES[name] : undefined;
    if (kind === 'tag' && (name === 'comment' || name === 'endcomment')) inComment = name === 'comment';
    const message = frame && !inComment ? problemOf(`${frame.before}${piece}${frame.after}`) : null;
    const lines = piece.replace(/[^\n]/g, '');
    if (message === null) rest += piece;
    else {
      broken.push({ message, line });
      rest += frame!.harmless + lines;
    }
    line += lines.length;
  }
  return { broken, rest };
}

function problemOf(alone: string): string | null {
  try {
    tree.describe(alone);
    return null;
  } catch (error) {
    return liquid.errorMessage(error);
  }
}

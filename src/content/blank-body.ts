/**
 * Bodies that say nothing. In: what somebody wrote, or what was rendered of it, without layout and footer, which would
 * hide it. Out: whether there is anything to see, for certain or for one contact.
 */
import { type TemplateSource, writtenBodies } from './assemble.ts';
import { type Keyed, keyed } from './content-hash.ts';
import { fixedText, fullestText } from './fixed-text.ts';
import { type Preparation, prepare } from './prepare.ts';

export interface Body {
  source: string;
  html: boolean;
}

/** Blanks, and characters that are there and not seen. */
const SEEN = /[^\s\p{Cf}]/u;
// Each ends at the end at the latest: what is never closed is not looked for again from every place.
const UNSEEN_HTML = /<!--[\s\S]*?(?:-->|$)|<(style|script|title)\b[\s\S]*?(?:<\/\1\s*>|$)/gi;
const IMAGE = /<(?:img|svg|video)\b/i;
const TAG = /<[^>]*(?:>|$)/g;
const BLANK_ENTITY = /&(?:nbsp|zwnj|zwj|shy|ensp|emsp|thinsp|#160|#xa0|#8203|#x200b);/gi;

export function isBlankBody({ source, html }: Body): boolean {
  if (!html) return !SEEN.test(source);
  const seen = source.replace(UNSEEN_HTML, '');
  return !IMAGE.test(seen) && !SEEN.test(seen.replace(TAG, '').replace(BLANK_ENTITY, ''));
}

/** Whatever its values are: there is nothing but blanks in it, in any of its branches. In: a source that parses. */
export function printsNothing({ source, html }: Body): boolean {
  return isBlankBody({ source: fullestText(source), html });
}

const prepared = new WeakMap<Keyed<TemplateSource>, Preparation | null>();

/**
 * The bodies of an e-mail ready to render by themselves; null where it says something whatever its values are, as nearly
 * all do: these cost nothing.
 */
export function doubtfulBodies(template: Keyed<TemplateSource>): Preparation | null {
  let known = prepared.get(template);
  if (known === undefined) {
    const bodies = writtenBodies(template.source);
    const doubtful = bodies.every(({ source, html }) => isBlankBody({ source: fixedText(source), html }));
    const { key } = keyed('bodies', bodies);
    known = doubtful
      ? prepare(
          key,
          bodies.map(({ source }) => source),
          () => bodies,
        )
      : null;
    prepared.set(template, known);
  }
  return known;
}

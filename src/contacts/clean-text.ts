/** Text as people paste it: no-break and zero-width characters at the edges are blanks, accents are composed (NFC). */

// Beyond what String.trim takes: zero-width space, non-joiner, joiner, word joiner, soft hyphen, direction marks.
const EDGE = '[\\s\\u00ad\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u2064\\ufeff]';
const EDGES = new RegExp(`^${EDGE}+|${EDGE}+$`, 'g');
const PLAIN = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;

/** Trimmed and in NFC. An empty text stays one. */
export function cleanText(text: string): string {
  // Nine cells of ten are plain ASCII without blanks at the edges: one regular expression, no copy.
  if (text === '' || PLAIN.test(text)) return text;
  return text.replace(EDGES, '').normalize('NFC');
}

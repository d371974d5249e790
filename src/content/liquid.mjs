/**
 * Liquid as this product allows it: which tags and filters exist and how large a source may be. In: sources. Out:
 * the two liquidjs instances everything else uses, and the tokens of a source.
 *
 * Plain JavaScript like all of the engine, because the render worker loads it as it is, on every Node version and
 * whether the rest of the product runs from `src/` (tests) or from `dist/`. Types are in `liquid.d.mts`.
 *
 * liquidjs calls its own limits "cooperative safeguards, not isolation". They are set here as the first fence;
 * the worker that is stopped from outside is the second, and the one that counts.
 */
import { defaultOperators, Liquid, Tokenizer, TypeGuards } from 'liquidjs';

/** Characters of one source as a person writes it. */
export const MAX_SOURCE_CHARS = 100_000;
/** Characters of one rendered message, all its parts together. */
export const MAX_OUTPUT_CHARS = 256 * 1024;
/** Blocks within blocks. The parser recurses, so this keeps it off the end of the stack. */
export const MAX_DEPTH = 32;
/** Texts, outputs and tags of one source. The parser takes them off a list one by one, at the cost of its length. */
export const MAX_PIECES = 4_000;
/** With layout and footer, and markup made from text, a source grows. */
const HARD_SOURCE_CHARS = 5 * MAX_SOURCE_CHARS;
const HARD_PIECES = 2 * MAX_PIECES;
/** Below the 250 ms after which the worker is killed, so that an ordinary slow loop ends cheaply. */
const RENDER_LIMIT_MS = 150;
/** Objects and characters liquidjs counts for one render. */
const MEMORY_LIMIT = 4_000_000;

export const TAGS = [
  'if',
  'unless',
  'case',
  'for',
  'break',
  'continue',
  'assign',
  'capture',
  'comment',
  'raw',
];

/** Tags that only have a meaning inside another. */
const INNER_TAGS = ['else', 'elsif', 'when', 'endif', 'endunless', 'endcase', 'endfor', 'endcapture'];
const BLOCK_TAGS = new Set(['if', 'unless', 'case', 'for', 'capture']);

/**
 * No `raw` (values in HTML are always escaped), nothing that prints objects (`json`, `inspect`), nothing random
 * or dependent on the moment of rendering: the same values must give the same bytes when a send is repeated.
 */
export const FILTERS = [
  ...['default', 'upcase', 'downcase', 'capitalize', 'strip', 'lstrip', 'rstrip', 'strip_newlines', 'squish'],
  ...['append', 'prepend', 'replace', 'replace_first', 'remove', 'remove_first', 'truncate', 'truncatewords'],
  ...['split', 'join', 'first', 'last', 'size', 'sort', 'uniq', 'reverse', 'compact', 'concat', 'slice'],
  ...[
    'plus',
    'minus',
    'times',
    'divided_by',
    'modulo',
    'round',
    'ceil',
    'floor',
    'abs',
    'at_least',
    'at_most',
  ],
  ...['date', 'url_encode', 'escape', 'escape_once'],
];

/**
 * Blank values are absent ones (the caller passes null for them), so `== ""` and `== empty` must hold for nil:
 * otherwise `{% if contact.company != "" %}` would be true for a contact without a company.
 */
function* equals(left, right, context) {
  if (isNothing(left) && isEmptyLiteral(right)) return true;
  if (isNothing(right) && isEmptyLiteral(left)) return true;
  return yield defaultOperators['=='](left, right, context);
}

export function isNothing(value) {
  return value === null || value === undefined;
}

function isEmptyLiteral(value) {
  return value === '' || value?.constructor?.name === 'EmptyDrop';
}

function createLiquid(strict) {
  const liquid = new Liquid({
    strictFilters: strict,
    strictVariables: false,
    ownPropertyOnly: true,
    parseLimit: HARD_SOURCE_CHARS,
    renderLimit: RENDER_LIMIT_MS,
    memoryLimit: MEMORY_LIMIT,
    timezoneOffset: 0,
    locale: 'en-US',
    templates: {},
    operators: {
      ...defaultOperators,
      '==': equals,
      *'!='(left, right, context) {
        return !(yield equals(left, right, context));
      },
    },
  });
  for (const name of Object.keys(liquid.tags)) if (!TAGS.includes(name)) delete liquid.tags[name];
  for (const name of Object.keys(liquid.filters)) if (!FILTERS.includes(name)) delete liquid.filters[name];
  const date = liquid.filters.date;
  liquid.registerFilter('date', function (value, ...args) {
    if (value === 'now' || value === 'today') throw new Error(`date of "${value}" is not allowed`);
    return date.call(this, value, ...args);
  });
  // HTML parts escape every value and text parts none, so these two have nothing left to do.
  liquid.registerFilter('escape', (value) => value);
  liquid.registerFilter('escape_once', (value) => value);
  return liquid;
}

export const strictLiquid = createLiquid(true);
/** Parses unknown filters too, so that a check can report all of them at once. */
export const lenientLiquid = createLiquid(false);

function topLevelTokens(source) {
  if (source.length > HARD_SOURCE_CHARS) throw new Error(`longer than ${HARD_SOURCE_CHARS} characters`);
  const tokens = new Tokenizer(source, strictLiquid.options.operators).readTopLevelTokens(
    strictLiquid.options,
  );
  if (tokens.length > HARD_PIECES)
    throw new Error(`more than ${HARD_PIECES} pieces of text, outputs and tags`);
  return tokens;
}

/** Tags, their lines and the depth of a source; throws a TokenizationError with a position. */
export function scanTags(source) {
  const lineOf = lineIndex(source);
  const tags = [];
  let depth = 0;
  let deepest = 0;
  let inComment = false;
  const tokens = topLevelTokens(source);
  for (const token of tokens) {
    if (!TypeGuards.isTagToken(token)) continue;
    if (inComment) {
      inComment = token.name !== 'endcomment';
      continue;
    }
    inComment = token.name === 'comment';
    if (BLOCK_TAGS.has(token.name)) deepest = Math.max(deepest, ++depth);
    else if (token.name.startsWith('end')) depth = Math.max(0, depth - 1);
    const known = TAGS.includes(token.name) || INNER_TAGS.includes(token.name) || token.name === 'endraw';
    tags.push({ name: token.name, line: lineOf(token), known, begin: token.begin, end: token.end });
  }
  return { tags, deepest, pieces: tokens.length };
}

/** Without the tags that do not exist, every line where it was: the rest can be looked at as well. */
export function withoutUnknownTags(source) {
  let rest = '';
  let from = 0;
  for (const { known, begin, end } of scanTags(source).tags) {
    if (known) continue;
    rest += source.slice(from, begin) + source.slice(begin, end).replace(/[^\n]/g, ' ');
    from = end;
  }
  return rest + source.slice(from);
}

/** liquidjs counts a token's line from the source's start each time: minutes for a hostile source. */
export function lineIndex(source) {
  const breaks = [];
  for (let at = source.indexOf('\n'); at >= 0; at = source.indexOf('\n', at + 1)) breaks.push(at);
  return (token) => {
    let low = 0;
    let high = breaks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (breaks[middle] < token.begin) low = middle + 1;
      else high = middle;
    }
    return low + 1;
  };
}

/** The top-level tokens of a source: literal text, outputs and tags, with what is between `raw` tags as text. */
export function splitSource(source) {
  const tokens = new Tokenizer(source, strictLiquid.options.operators).readTopLevelTokens(
    strictLiquid.options,
  );
  return tokens.map((token) => ({
    kind: TypeGuards.isTagToken(token) ? 'tag' : TypeGuards.isOutputToken(token) ? 'output' : 'text',
    name: TypeGuards.isTagToken(token) ? token.name : '',
    source: source.slice(token.begin, token.end),
  }));
}

export function refuseTooDeep(source) {
  if (scanTags(source).deepest > MAX_DEPTH) throw new Error(`blocks nested deeper than ${MAX_DEPTH}`);
}

export function errorLine(error) {
  return error?.token?.getPosition?.()[0] ?? 1;
}

export function errorMessage(error) {
  return String(error?.message ?? error).replace(/(, file:[^,]*)?, line:\d+, col:\d+$/, '');
}

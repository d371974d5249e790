/**
 * The Liquid engine as this product allows it: which tags and filters exist, what an output may print, how much
 * it may print. In: template sources and plain data. Out: text, a typed refusal, or a plain tree of what a
 * source contains.
 *
 * Plain JavaScript, because the render worker loads it as it is, on every Node version and whether the rest of
 * the product runs from `src/` (tests) or from `dist/`. Types are in `engine.d.mts`.
 *
 * liquidjs calls its own limits "cooperative safeguards, not isolation". They are set here as the first fence;
 * the worker that is killed from outside is the second, and the one that counts.
 */
import {
  AssignTag,
  BreakTag,
  CaptureTag,
  CaseTag,
  CommentTag,
  ContinueTag,
  defaultOperators,
  evalToken,
  ForTag,
  IfTag,
  isTruthy,
  Liquid,
  Output,
  RawTag,
  Tokenizer,
  TypeGuards,
  toValueSync,
  UnlessTag,
} from 'liquidjs';

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

/** Filters that mean something for a list; any other would print its items run together. */
const LIST_FILTERS = new Set([
  ...['join', 'first', 'last', 'size', 'sort', 'uniq', 'reverse', 'compact', 'concat', 'slice', 'default'],
]);

/** liquidjs rethrows what bears this mark as it is, instead of wrapping it in an error with a stack. */
const PASS_THROUGH = { __liquidClass__: 'LiquidError' };

function refusal(reason, detail) {
  return { ...PASS_THROUGH, refusal: { reason, detail } };
}

export function isBlank(value) {
  return value === null || value === undefined || (typeof value === 'string' && value.trim() === '');
}

const ESCAPES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&#34;', "'": '&#39;' };
const MUST_ESCAPE = /[&<>"']/g;

export function escapeHtml(text) {
  return text.replace(MUST_ESCAPE, (character) => ESCAPES[character]);
}

/**
 * Blank values are absent ones (the caller passes null for them), so `== ""` and `== empty` must hold for nil:
 * otherwise `{% if contact.company != "" %}` would be true for a contact without a company.
 */
function* equals(left, right, context) {
  if (isNothing(left) && isEmptyLiteral(right)) return true;
  if (isNothing(right) && isEmptyLiteral(left)) return true;
  return yield defaultOperators['=='](left, right, context);
}

function isNothing(value) {
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
  liquid.renderer.renderTemplates = renderTemplates;
  // HTML parts escape every value and text parts none, so these two have nothing left to do.
  liquid.registerFilter('escape', (value) => value);
  liquid.registerFilter('escape_once', (value) => value);
  return liquid;
}

const strictLiquid = createLiquid(true);
/** Parses unknown filters too, so that a check can report all of them at once. */
const lenientLiquid = createLiquid(false);

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
    tags.push({ name: token.name, line: lineOf(token), known });
  }
  return { tags, deepest, pieces: tokens.length };
}

/** liquidjs counts a token's line from the source's start each time: minutes for a hostile source. */
function lineIndex(source) {
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

/** A compiled source. `html` decides whether values are escaped. Throws liquidjs's errors. */
export function parse(source, html) {
  refuseTooDeep(source);
  const templates = strictLiquid.parse(source);
  guard(templates, html, capturedNames(templates, new Set()));
  return templates;
}

/** A source as a plain tree, unknown filters included. Throws liquidjs's errors. */
export function describe(source) {
  refuseTooDeep(source);
  const lineOf = lineIndex(source);
  return lenientLiquid.parse(source).map((template) => describeNode(template, lineOf));
}

function refuseTooDeep(source) {
  if (scanTags(source).deepest > MAX_DEPTH) throw new Error(`blocks nested deeper than ${MAX_DEPTH}`);
}

export function errorLine(error) {
  return error?.token?.getPosition?.()[0] ?? 1;
}

export function errorMessage(error) {
  return String(error?.message ?? error).replace(/(, file:[^,]*)?, line:\d+, col:\d+$/, '');
}

/** Writes at most what is left of a message's budget. */
class LimitedEmitter {
  constructor(budget) {
    this.buffer = '';
    this.budget = budget;
  }

  write(piece) {
    if (typeof piece !== 'string') return;
    this.buffer += piece;
    if (this.buffer.length > this.budget)
      throw refusal('output_too_large', `over ${MAX_OUTPUT_CHARS} characters`);
  }
}

/**
 * Renders the parts of one message in order (null stays null). The answer is the rendered parts, or
 * `{reason, detail}`. `scope` is plain data in which blank values are null.
 */
export function renderParts(parts, scope) {
  const rendered = [];
  let budget = MAX_OUTPUT_CHARS;
  try {
    for (const part of parts) {
      if (part === null) {
        rendered.push(null);
        continue;
      }
      const text = renderPart(part, scope, budget);
      budget -= text.length;
      rendered.push(text);
    }
    return rendered;
  } catch (error) {
    return refusalOf(error);
  }
}

function renderPart(templates, scope, budget) {
  return renderTemplates(templates, createContext(scope), new LimitedEmitter(budget));
}

/**
 * liquidjs's own loop over nodes without its generators, with the same limits and one more: what is captured is
 * limited like what is printed.
 */
function renderTemplates(templates, context, emitter = new LimitedEmitter(MAX_OUTPUT_CHARS)) {
  context.renderLimit.check(performance.now());
  for (const template of templates) {
    context.renderLimit.check(performance.now());
    try {
      const result = template.render(context, emitter);
      const text = typeof result?.next === 'function' ? toValueSync(result) : result;
      if (text) emitter.write(text);
    } catch (error) {
      if (error?.__liquidClass__ !== undefined) throw error;
      throw { ...PASS_THROUGH, failure: error, token: template.token };
    }
    if (context.breakCalled || context.continueCalled) break;
  }
  return emitter.buffer;
}

/** liquidjs makes its context inside `_render`; this is the only way to bring our own emitter. */
function createContext(scope) {
  let made;
  const catcher = {
    render: (context) => {
      made = context;
    },
  };
  toValueSync(strictLiquid._render([catcher], scope, { sync: true }));
  return made;
}

function refusalOf(error) {
  if (error?.refusal !== undefined) return error.refusal;
  const cause = error?.failure ?? error?.originalError ?? error;
  const message = errorMessage(cause);
  if (message === 'template render limit exceeded') return { reason: 'template_timeout', detail: message };
  if (message === 'memory alloc limit exceeded' || message === 'Invalid string length') {
    return { reason: 'output_too_large', detail: message };
  }
  return { reason: 'template_error', detail: `line ${errorLine(error)}: ${message}`.slice(0, 300) };
}

// --- outputs that never print a blank -------------------------------------------------------------------

/** Every `{{ … }}` of the tree gets the render below instead of liquidjs's. */
function guard(templates, html, captured) {
  for (const template of templates) {
    if (template instanceof Output) guardOutput(template, html, captured);
    else if (template instanceof IfTag || template instanceof UnlessTag) quicken(template);
    else if (typeof template.str === 'string') quickenText(template);
    for (const children of childrenOf(template)) guard(children, html, captured);
  }
}

/**
 * Evaluated straight, not through liquidjs's generators, which exist for asynchronous values and cost ten times
 * as much as what they evaluate.
 */
function guardOutput(output, html, captured) {
  const { initial, filters } = output.value;
  const first = initial.postfix.length === 1 ? initial.postfix[0] : undefined;
  const read = first === undefined ? (context) => toValueSync(initial.evaluate(context)) : reader(first);
  const steps = filters.map(filterStep);
  const name = nameOf(first);
  // A captured block may be empty on purpose; what is inside it has been checked by itself.
  const mayBeBlank = name === null || captured.has(name) || steps.some((step) => step.isDefault);
  output.render = (context, emitter) => {
    const given = read(context);
    let value = given?.valueOf === undefined ? given : given.valueOf();
    if (name !== null) refuseObject(name, value, filters);
    for (const step of steps) value = applyFilter(step, value, context);
    if (value !== null && typeof value === 'object') {
      throw refusal('missing_variable', `${name} is not a value`);
    }
    if (!mayBeBlank && (isBlank(given) || isBlank(value))) throw refusal('missing_variable', name);
    const text = value === null || value === undefined ? '' : String(value);
    if (text.length > MAX_OUTPUT_CHARS) {
      throw refusal('output_too_large', `over ${MAX_OUTPUT_CHARS} characters`);
    }
    emitter.write(html ? escapeHtml(text) : text);
  };
}

function quickenText(template) {
  const text = template.str;
  template.render = (_, emitter) => emitter.write(text);
}

function quicken(template) {
  const branches = template.branches.map(({ value, templates }, index) => ({
    read: conditionReader(value),
    wanted: !(template instanceof UnlessTag && index === 0),
    templates,
  }));
  const otherwise = template.elseTemplates ?? [];
  template.render = (context, emitter) => {
    const hit = branches.find((branch) => isTruthy(branch.read(context), context) === branch.wanted);
    renderTemplates(hit?.templates ?? otherwise, context, emitter);
  };
}

function conditionReader(value) {
  const { postfix } = value.initial;
  if (postfix.length === 1 && value.filters.length === 0) return reader(postfix[0]);
  return (context) => toValueSync(value.value(context, false));
}

/** How a token is read in a context: a plain path, a constant, or anything else by liquidjs itself. */
function reader(token) {
  if (token === undefined) return () => undefined;
  if ('content' in token) return () => token.content;
  const isPath = TypeGuards.isPropertyAccessToken(token) && token.variable === undefined;
  if (!isPath || token.props.some((prop) => prop.content === undefined)) {
    return (context) => toValueSync(evalToken(token, context));
  }
  const path = token.props.map((prop) => prop.content);
  return (context) => {
    let at = context.findScope(path[0]);
    for (const key of path) at = context.readProperty(at, key);
    return at;
  };
}

function filterStep(filter) {
  return {
    filter,
    isDefault: filter.name === 'default',
    args: filter.args.map((argument) =>
      Array.isArray(argument)
        ? { key: argument[0], name: null, read: reader(argument[1]) }
        : { key: null, name: nameOf(argument), read: reader(argument) },
    ),
  };
}

function applyFilter({ filter, isDefault, args }, value, context) {
  const values = [value];
  const mayBeBlank = isDefault && !needsDefault(value);
  for (const argument of args) {
    const given = argument.read(context);
    if (argument.name !== null && !mayBeBlank) refuseBlank(argument.name, given);
    values.push(argument.key === null ? given : [argument.key, given]);
  }
  const result = filter.handler.apply({ context, token: filter.token, liquid: strictLiquid }, values);
  return typeof result?.next === 'function' ? toValueSync(result) : result;
}

function refuseObject(name, value, filters) {
  if (value === null || typeof value !== 'object') return;
  if (Array.isArray(value) && filters.length > 0 && LIST_FILTERS.has(filters[0].name)) return;
  throw refusal('missing_variable', `${name} is not a value`);
}

/** What the `default` filter replaces; lists too when they are empty. */
function needsDefault(value) {
  return isNothing(value) || value === false || value.length === 0;
}

function refuseBlank(name, value) {
  if (isBlank(value)) throw refusal('missing_variable', name);
  if (typeof value === 'object' && !Array.isArray(value)) {
    throw refusal('missing_variable', `${name} is not a value`);
  }
}

/** The dotted name of a variable, or null for anything that is none. */
function nameOf(token) {
  if (!TypeGuards.isPropertyAccessToken(token) || token.variable !== undefined) return null;
  return token.props.map((prop) => prop.content ?? prop.getText()).join('.');
}

function capturedNames(templates, names) {
  for (const template of templates) {
    if (template instanceof CaptureTag) names.add(template.variable);
    for (const children of childrenOf(template)) capturedNames(children, names);
  }
  return names;
}

function childrenOf(template) {
  if (template instanceof IfTag || template instanceof UnlessTag || template instanceof CaseTag) {
    return [...template.branches.map((branch) => branch.templates), template.elseTemplates ?? []];
  }
  if (template instanceof ForTag) return [template.templates, template.elseTemplates];
  if (template instanceof CaptureTag) return [template.templates];
  return [];
}

// --- a source as a plain tree ---------------------------------------------------------------------------

function describeNode(template, lineOf) {
  const line = lineOf(template.token);
  const all = (templates) => templates.map((child) => describeNode(child, lineOf));
  if (template instanceof Output)
    return { type: 'output', line, value: describeValue(template.value, lineOf) };
  if (template instanceof IfTag || template instanceof UnlessTag) {
    const branches = template.branches.map((branch, index) => ({
      value: describeValue(branch.value, lineOf),
      negated: template instanceof UnlessTag && index === 0,
      body: all(branch.templates),
    }));
    return { type: 'if', line, branches, otherwise: all(template.elseTemplates ?? []) };
  }
  if (template instanceof CaseTag) {
    const bodies = [...template.branches.map((branch) => branch.templates), template.elseTemplates];
    return {
      type: 'case',
      line,
      value: describeValue(template.value, lineOf),
      operands: template.branches.flatMap((branch) =>
        branch.values.map((token) => describeOperand(token, lineOf)),
      ),
      bodies: bodies.map(all),
    };
  }
  if (template instanceof ForTag) {
    const tokens = [template.collection, ...Object.values(template.hash.hash)].filter(
      (token) => token !== undefined,
    );
    return {
      type: 'for',
      line,
      name: template.variable,
      operands: tokens.map((token) => describeOperand(token, lineOf)),
      bodies: [all(template.templates), all(template.elseTemplates)],
    };
  }
  if (template instanceof AssignTag) {
    return { type: 'assign', line, name: template.key, value: describeValue(template.value, lineOf) };
  }
  if (template instanceof CaptureTag) {
    return { type: 'capture', line, name: template.variable, body: all(template.templates) };
  }
  if (template instanceof CommentTag) return { type: 'text', line, text: '' };
  if (template instanceof RawTag) return { type: 'text', line, text: template.render() };
  if (template instanceof BreakTag || template instanceof ContinueTag) return { type: 'jump', line };
  return { type: 'text', line, text: template.str };
}

function describeValue(value, lineOf) {
  return {
    operands: value.initial.postfix.map((token) => describeOperand(token, lineOf)),
    filters: value.filters.map((filter) => ({
      name: filter.name,
      line: lineOf(filter.token),
      known: FILTERS.includes(filter.name),
      args: filter.args.map((arg) =>
        Array.isArray(arg)
          ? { kind: 'named', name: arg[0], value: describeOperand(arg[1], lineOf) }
          : describeOperand(arg, lineOf),
      ),
    })),
  };
}

function describeOperand(token, lineOf) {
  if (token === undefined) return { kind: 'literal', value: null };
  if (TypeGuards.isOperatorToken(token)) return { kind: 'operator', operator: token.operator };
  if (TypeGuards.isQuotedToken(token) || TypeGuards.isNumberToken(token)) {
    return { kind: 'literal', value: token.content };
  }
  if (TypeGuards.isLiteralToken(token)) return { kind: 'keyword', name: token.literal };
  if (TypeGuards.isRangeToken(token)) {
    return { kind: 'range', ends: [describeOperand(token.lhs, lineOf), describeOperand(token.rhs, lineOf)] };
  }
  const props = token.props ?? [];
  const dynamic = props.some((prop) => prop.content === undefined);
  if (dynamic || token.variable !== undefined)
    return { kind: 'dynamic', source: token.getText(), line: lineOf(token) };
  return { kind: 'path', path: props.map((prop) => String(prop.content)), line: lineOf(token) };
}

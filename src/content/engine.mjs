/**
 * Rendering, and what an output may print: never a blank, never an object, never more than its limit. In: sources
 * and plain data. Out: texts, or a typed refusal. Types are in `engine.d.mts`.
 *
 * Evaluation is liquidjs's own, reached without its generators where these only cost time; tests hold the result
 * equal to liquidjs as it comes.
 */
import {
  CaptureTag,
  CaseTag,
  evalToken,
  ForTag,
  IfTag,
  isTruthy,
  Output,
  TypeGuards,
  toValueSync,
  UnlessTag,
} from 'liquidjs';
import {
  errorLine,
  errorMessage,
  isNothing,
  MAX_OUTPUT_CHARS,
  refuseTooDeep,
  strictLiquid,
} from './liquid.mjs';

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

/** A compiled source. `html` decides whether values are escaped. Throws liquidjs's errors. */
export function parse(source, html) {
  refuseTooDeep(source);
  const templates = strictLiquid.parse(source);
  guard(templates, html, capturedNames(templates, new Set()));
  return templates;
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

strictLiquid.renderer.renderTemplates = renderTemplates;

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

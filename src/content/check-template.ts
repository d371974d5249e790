/**
 * Checks a template before it is published [SEQ-5]. In: one source and the attribute keys the organization
 * knows. Out: every problem at once, with its line, or the variables it uses.
 */
import * as liquid from '../../src/content/liquid.mjs';
import * as tree from '../../src/content/tree.mjs';
import { brokenPieces } from './broken-pieces.ts';
import { type Inspection, inspect, type VariableUse } from './inspect.ts';
import { ATTRIBUTE_PREFIX, basePath, RESERVED_ROOTS, VALUE_PROPERTIES, VARIABLES } from './variables.ts';

/** A subject is one line of text. Values are escaped in `html` alone. */
export type TemplateKind = 'subject' | 'text' | 'html';

export type TemplateProblemCode =
  | 'syntax'
  | 'too_large'
  | 'too_deep'
  | 'line_break'
  | 'unknown_tag'
  | 'unknown_filter'
  | 'unknown_variable'
  | 'unknown_attribute'
  | 'not_a_value'
  | 'dynamic_variable'
  | 'not_in_channel'
  | 'reserved_name'
  | 'moment';

export interface TemplateProblem {
  code: TemplateProblemCode;
  message: string;
  line: number;
}

export type TemplateCheck = { ok: true; variables: string[] } | { ok: false; problems: TemplateProblem[] };

export interface CheckOptions {
  /** Custom attribute keys that exist. Left out, every key passes. */
  attributes?: readonly string[];
  /** Variables that mean nothing where this is used. */
  without?: readonly string[];
}

const KNOWN: ReadonlySet<string> = new Set(VARIABLES);
const OBJECTS: ReadonlySet<string> = new Set([
  ...VARIABLES.filter((name) => name.includes('.')).map((name) => name.split('.')[0]!),
  'contact.attributes',
]);

/** With these alone the rest of the source can be looked at too. */
const READABLE: ReadonlySet<TemplateProblemCode> = new Set(['unknown_tag', 'line_break']);

/** Lines count from 1. */
export function checkTemplate(source: string, kind: TemplateKind, options: CheckOptions = {}): TemplateCheck {
  const problems = sourceProblems(source, kind);
  if (problems.some(({ code }) => !READABLE.has(code))) return { ok: false, problems };
  const known = problems.length > 0 ? liquid.withoutUnknownTags(source) : source;
  const { broken, rest } = brokenPieces(known);
  problems.push(...broken.map((piece) => ({ ...piece, code: 'syntax' as const })));
  let nodes: ReturnType<typeof tree.describe>;
  try {
    nodes = tree.describe(rest);
  } catch (error) {
    // Without a tag that does not exist, or is put right, what it enclosed may make no sense: that one is told first.
    return { ok: false, problems: problems.length > 0 ? problems : [syntaxProblem(error)] };
  }
  const found = inspect(nodes);
  problems.push(...languageProblems(found), ...variableProblems(found, options));
  if (problems.length > 0) {
    problems.sort((a, b) => a.line - b.line);
    return { ok: false, problems };
  }
  return { ok: true, variables: [...new Set(found.uses.map((use) => use.path.join('.')))].sort() };
}

function syntaxProblem(error: unknown): TemplateProblem {
  return { code: 'syntax', message: liquid.errorMessage(error), line: liquid.errorLine(error) };
}

/** What can be said before the source is parsed, and what would keep it from being parsed. */
function sourceProblems(source: string, kind: TemplateKind): TemplateProblem[] {
  if (source.length > liquid.MAX_SOURCE_CHARS) {
    const message = `The template is longer than ${liquid.MAX_SOURCE_CHARS} characters.`;
    return [{ code: 'too_large', message, line: 1 }];
  }
  const problems: TemplateProblem[] = [];
  if (kind === 'subject' && /[\r\n]/.test(source.trim())) {
    problems.push({ code: 'line_break', message: 'A subject is one line.', line: 1 });
  }
  try {
    const { tags, deepest, pieces } = liquid.scanTags(source);
    for (const tag of tags) {
      if (tag.known) continue;
      const message = `There is no tag "${tag.name}". Allowed: ${liquid.TAGS.join(', ')}.`;
      problems.push({ code: 'unknown_tag', message, line: tag.line });
    }
    if (pieces > liquid.MAX_PIECES) {
      const message = `The template has more than ${liquid.MAX_PIECES} pieces of text, outputs and tags.`;
      problems.push({ code: 'too_large', message, line: 1 });
    }
    if (deepest > liquid.MAX_DEPTH) {
      const message = `Blocks are nested deeper than ${liquid.MAX_DEPTH}.`;
      problems.push({ code: 'too_deep', message, line: 1 });
    }
  } catch (error) {
    problems.push(syntaxProblem(error));
  }
  return problems;
}

function languageProblems(found: Inspection): TemplateProblem[] {
  const problems: TemplateProblem[] = [];
  for (const filter of found.filters) {
    if (!filter.known) {
      const message = `There is no filter "${filter.name}". Allowed: ${liquid.FILTERS.join(', ')}.`;
      problems.push({ code: 'unknown_filter', message, line: filter.line });
    }
  }
  for (const use of found.dynamic) {
    const message = `"${use.source}" depends on another value; name the variable itself.`;
    problems.push({ code: 'dynamic_variable', message, line: use.line });
  }
  for (const line of found.operator_outputs) {
    const message = 'A condition cannot be printed; use {% if %} or the default filter.';
    problems.push({ code: 'not_a_value', message, line });
  }
  for (const moment of found.moments) {
    const message = `"${moment.value}" would be another date in every copy of the same message.`;
    problems.push({ code: 'moment', message, line: moment.line });
  }
  for (const [name, line] of found.locals) {
    if (!RESERVED_ROOTS.has(name)) continue;
    problems.push({
      code: 'reserved_name',
      message: `"${name}" is a variable of ours; take another name.`,
      line,
    });
  }
  return problems;
}

function variableProblems(found: Inspection, { attributes, without }: CheckOptions): TemplateProblem[] {
  const known = attributes === undefined ? null : new Set(attributes);
  const problems: TemplateProblem[] = [];
  const seen = new Set<string>();
  for (const use of found.uses) {
    const problem = variableProblem(use, known) ?? absentProblem(use, without ?? []);
    if (problem === null || seen.has(problem.message)) continue;
    seen.add(problem.message);
    problems.push(problem);
  }
  return problems;
}

function variableProblem(use: VariableUse, attributes: ReadonlySet<string> | null): TemplateProblem | null {
  const name = use.path.join('.');
  const base = basePath(use.path);
  const value = base.join('.');
  if (OBJECTS.has(value)) {
    return {
      code: 'not_a_value',
      message: `"${name}" is not a value; name one of its fields.`,
      line: use.line,
    };
  }
  const isAttribute = value.startsWith(ATTRIBUTE_PREFIX);
  const properties = use.path.slice(base.length);
  if (!(isAttribute || KNOWN.has(value)) || !properties.every(isProperty)) {
    return { code: 'unknown_variable', message: `There is no variable "${name}".`, line: use.line };
  }
  if (!isAttribute || attributes === null || use.has_default) return null;
  const key = value.slice(ATTRIBUTE_PREFIX.length);
  if (attributes.has(key)) return null;
  const message = `No contact attribute "${key}" exists; create it, or give it a default.`;
  return { code: 'unknown_attribute', message, line: use.line };
}

function absentProblem(use: VariableUse, without: readonly string[]): TemplateProblem | null {
  const name = basePath(use.path).join('.');
  if (use.has_default || use.place === 'test' || !without.includes(name)) return null;
  const message = `"${name}" has no value in this channel; leave it out, or give it a default.`;
  return { code: 'not_in_channel', message, line: use.line };
}

/** What Liquid itself adds to a text or a list: `size`, `first`, `last` and positions. */
function isProperty(segment: string): boolean {
  return VALUE_PROPERTIES.has(segment) || /^-?\d+$/.test(segment);
}

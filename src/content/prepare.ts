/**
 * A template made ready to render: its parts, the variables to take from each message's data, and the compiled fast
 * path where there is one. Done once a template and kept.
 */
import { LRUCache } from 'lru-cache';
import * as engine from '../../src/content/engine.mjs';
import * as liquid from '../../src/content/liquid.mjs';
import * as tree from '../../src/content/tree.mjs';
import { compileFast, type FastTemplate, MAX_FAST_VALUE_CHARS } from './fast.ts';
import { inspect } from './inspect.ts';
import type { RenderTemplate, TemplatePart } from './render-worker.ts';
import { isBlankText, type Scalar } from './scalar.ts';
import { basePath, type TemplateVars } from './variables.ts';

export interface PreparedTemplate extends RenderTemplate {
  /** Dotted names of `paths`. */
  names: string[];
  /** In the order of the parts; null when one of them needs the worker. */
  fast: FastTemplate[] | null;
}

export type Preparation = { ok: true; template: PreparedTemplate } | { ok: false; detail: string };

const MAX_PREPARED = 2_000;
const prepared = new LRUCache<string, Preparation>({ max: MAX_PREPARED });

/**
 * `key` names these exact sources in any process. `written`: what a person wrote, checked before the parts are made of
 * it. A source that cannot be rendered is remembered as such: every message of it ends with the same detail.
 */
export function prepare(
  key: string,
  written: readonly (string | null | undefined)[],
  partsOf: () => TemplatePart[],
): Preparation {
  const known = prepared.get(key);
  if (known !== undefined) return known;
  const fresh = prepareNow(key, written, partsOf);
  prepared.set(key, fresh);
  return fresh;
}

/** Sources that are rendered as they were written, as plain text. */
export function prepareTexts(key: string, sources: readonly string[]): Preparation {
  return prepare(key, sources, () => sources.map((source) => ({ source, html: false })));
}

function prepareNow(
  key: string,
  written: readonly (string | null | undefined)[],
  partsOf: () => TemplatePart[],
): Preparation {
  try {
    for (const source of written) {
      if (typeof source !== 'string') continue;
      if (source.length > liquid.MAX_SOURCE_CHARS) throw new Error('the template is too large');
      // The strict parse, so that an unknown tag or filter is found here and not in the worker.
      engine.parse(source, false);
    }
    return { ok: true, template: compile(key, partsOf()) };
  } catch (error) {
    return { ok: false, detail: `line ${liquid.errorLine(error)}: ${liquid.errorMessage(error)}` };
  }
}

function compile(key: string, parts: TemplatePart[]): PreparedTemplate {
  const trees = parts.map(({ source }) => tree.describe(source));
  const used = trees.flatMap((tree) => {
    const found = inspect(tree);
    const dynamic = found.dynamic[0];
    if (dynamic !== undefined) throw new Error(`"${dynamic.source}" depends on another value`);
    return found.uses.map((use) => use.path);
  });
  const paths = shortestPaths(used);
  const names = paths.map((path) => path.join('.'));
  const places = new Map(names.map((name, index) => [name, index]));
  const slotOf = (path: string[]) => places.get(path.join('.')) ?? -1;
  const fast = trees.map((tree, index) => compileFast(tree, parts[index]!.html, slotOf));
  const allFast = fast.every((part) => part !== null) ? fast : null;
  return { key, parts, paths, names, fast: allFast };
}

/** Each value once; what lies inside another one that is taken whole comes with it. */
function shortestPaths(used: string[][]): string[][] {
  const byName = new Map(used.map((path) => [basePath(path).join('\0'), basePath(path)]));
  return [...byName.entries()]
    .filter(
      ([, path]) => !path.some((_, length) => length > 0 && byName.has(path.slice(0, length).join('\0'))),
    )
    .map(([, path]) => path);
}

/**
 * Takes the values of a template's variables from a message's data. Answers whether the fast path can render
 * them: no lists, no objects, nothing very long.
 */
export function takeValues(
  template: PreparedTemplate,
  vars: TemplateVars,
  values: unknown[],
): values is Scalar[] {
  let scalar = true;
  for (let i = 0; i < template.paths.length; i++) {
    const value = readValue(vars, template.paths[i]!);
    values.push(value);
    if (typeof value === 'string') scalar &&= value.length <= MAX_FAST_VALUE_CHARS;
    else if (value !== null && typeof value === 'object') scalar = false;
  }
  return scalar;
}

/** The value at a path, own properties only; absent, blank and what JSON does not know is null. */
function readValue(vars: object, path: string[]): unknown {
  let at: unknown = vars;
  for (let i = 0; i < path.length; i++) {
    if (at === null || typeof at !== 'object' || !Object.hasOwn(at, path[i]!)) return null;
    at = (at as Record<string, unknown>)[path[i]!];
  }
  switch (typeof at) {
    case 'string':
      return isBlankText(at) ? null : at;
    case 'number':
      return Number.isFinite(at) ? at : null;
    case 'boolean':
      return at;
    case 'bigint':
      return String(at);
    case 'object':
      return at;
    default:
      return null;
  }
}

/** Says nothing about the recipient, and follows from the touch. */
const LINK = 'unsubscribe_url';

/** The values as they were used, to be kept with the message; absent ones are left out. */
export function usedValues(template: PreparedTemplate, values: readonly unknown[]): Record<string, string> {
  const used: Record<string, string> = {};
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (value === null || template.names[i] === LINK) continue;
    used[template.names[i]!] =
      typeof value === 'string' ? value : typeof value === 'object' ? JSON.stringify(value) : String(value);
  }
  return used;
}

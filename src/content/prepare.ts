/**
 * A template made ready to render: its three sources with layout and footer, the variables to take from each
 * message's data, and the compiled fast path where there is one. Done once a template and kept.
 */
import { LRUCache } from 'lru-cache';
import * as engine from '../../src/content/engine.mjs';
import * as liquid from '../../src/content/liquid.mjs';
import * as tree from '../../src/content/tree.mjs';
import { assemble, type TemplateSource } from './assemble.ts';
import { compileFast, type FastTemplate, MAX_FAST_VALUE_CHARS } from './fast.ts';
import { inspect } from './inspect.ts';
import type { RenderTemplate } from './render-worker.ts';
import { isBlankText, type Scalar } from './scalar.ts';
import { basePath, type TemplateVars } from './variables.ts';

export interface EmailTemplate extends TemplateSource {
  /** Names these exact sources: equal hashes mean equal templates, in any process. */
  hash: string;
}

export interface PreparedTemplate extends RenderTemplate {
  /** Dotted names of `paths`. */
  names: string[];
  has_subject: boolean;
  /** Null when a part needs the worker. */
  fast: { subject: FastTemplate; text: FastTemplate; html: FastTemplate } | null;
}

export type Preparation = { ok: true; template: PreparedTemplate } | { ok: false; detail: string };

const MAX_PREPARED = 2_000;
const prepared = new LRUCache<string, Preparation>({ max: MAX_PREPARED });

/** A source that cannot be rendered is remembered as such: every message of it ends with the same detail. */
export function prepareTemplate(template: EmailTemplate): Preparation {
  const known = prepared.get(template.hash);
  if (known !== undefined) return known;
  const fresh = prepareNow(template);
  prepared.set(template.hash, fresh);
  return fresh;
}

function prepareNow(template: EmailTemplate): Preparation {
  try {
    for (const source of [template.subject, template.text, template.html]) {
      if (typeof source !== 'string') continue;
      if (source.length > liquid.MAX_SOURCE_CHARS) throw new Error('the template is too large');
      // The strict parse, so that an unknown tag or filter is found here and not in the worker.
      engine.parse(source, false);
    }
    return { ok: true, template: compile(template.hash, template) };
  } catch (error) {
    return { ok: false, detail: `line ${liquid.errorLine(error)}: ${liquid.errorMessage(error)}` };
  }
}

function compile(key: string, template: TemplateSource): PreparedTemplate {
  const { subject, text, html } = assemble(template);
  const trees = [subject, text, html].map((source) => tree.describe(source));
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
  const [fastSubject, fastText, fastHtml] = trees.map((tree, index) =>
    compileFast(tree, index === 2, slotOf),
  );
  const fast =
    fastSubject && fastText && fastHtml ? { subject: fastSubject, text: fastText, html: fastHtml } : null;
  return { key, subject, text, html, paths, names, has_subject: template.subject.trim() !== '', fast };
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

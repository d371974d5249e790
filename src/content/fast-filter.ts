/**
 * The filters of the fast path: those whose work and output are bounded by their input and their literal
 * arguments. Each does exactly what liquidjs does for texts, numbers and truths.
 */
import type { FilterArgument, FilterUse } from '../../src/content/tree.mjs';
import { isNothing, type Scalar } from './scalar.ts';

export type FastFilter = (value: Scalar) => Scalar;

function toText(value: Scalar): string {
  return isNothing(value) ? '' : String(value);
}

const WITHOUT_ARGUMENTS: Record<string, FastFilter> = {
  upcase: (value) => toText(value).toUpperCase(),
  downcase: (value) => toText(value).toLowerCase(),
  capitalize: (value) => {
    const text = toText(value);
    return text.charAt(0).toUpperCase() + text.slice(1).toLowerCase();
  },
  strip: (value) => toText(value).trim(),
  lstrip: (value) => toText(value).trimStart(),
  rstrip: (value) => toText(value).trimEnd(),
  strip_newlines: (value) => toText(value).replace(/\r?\n/gm, ''),
  // Values are escaped by the part they are printed in.
  escape: (value) => value,
  escape_once: (value) => value,
};

const WITH_ONE_LITERAL: Record<string, (literal: string | number) => FastFilter> = {
  default: (literal) => (value) => (isNothing(value) || value === false || value === '' ? literal : value),
  append: (literal) => (value) => toText(value) + String(literal),
  prepend: (literal) => (value) => String(literal) + toText(value),
};

/** The function of a filter as used, or null when it is none of these. */
export function fastFilter(use: FilterUse): FastFilter | null {
  if (use.args.length === 0) return own(WITHOUT_ARGUMENTS, use.name);
  if (use.args.length > 1) return null;
  const literal = literalOf(use.args[0]!);
  if (literal === null) return null;
  return own(WITH_ONE_LITERAL, use.name)?.(literal) ?? null;
}

function own<T>(table: Record<string, T>, name: string): T | null {
  return Object.hasOwn(table, name) ? table[name]! : null;
}

function literalOf(argument: FilterArgument): string | number | null {
  return argument.kind === 'literal' ? argument.value : null;
}

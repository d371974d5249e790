/** Types of `engine.mjs`. */

export const MAX_SOURCE_CHARS: number;
export const MAX_OUTPUT_CHARS: number;
export const MAX_DEPTH: number;
export const MAX_PIECES: number;
export const TAGS: readonly string[];
export const FILTERS: readonly string[];

export type RenderReason = 'missing_variable' | 'template_error' | 'template_timeout' | 'output_too_large';

export interface Refusal {
  reason: RenderReason;
  detail: string;
}

export type Operand =
  | { kind: 'path'; path: string[]; line: number }
  /** A path with a variable inside it, or of a literal: `a[b]`, `"x".size`. */
  | { kind: 'dynamic'; source: string; line: number }
  | { kind: 'literal'; value: string | number | null }
  /** `true`, `false`, `nil`, `null`, `empty`, `blank`. */
  | { kind: 'keyword'; name: string }
  | { kind: 'range'; ends: Operand[] }
  | { kind: 'operator'; operator: string };

export type FilterArgument = Operand | { kind: 'named'; name: string; value: Operand };

export interface FilterUse {
  name: string;
  line: number;
  known: boolean;
  args: FilterArgument[];
}

/** Operands and operators in postfix order, then filters. */
export interface ValueUse {
  operands: Operand[];
  filters: FilterUse[];
}

export type TemplateNode =
  | { type: 'text'; line: number; text: string }
  | { type: 'output'; line: number; value: ValueUse }
  | {
      type: 'if';
      line: number;
      branches: { value: ValueUse; negated: boolean; body: TemplateNode[] }[];
      otherwise: TemplateNode[];
    }
  | { type: 'case'; line: number; value: ValueUse; operands: Operand[]; bodies: TemplateNode[][] }
  | { type: 'for'; line: number; name: string; operands: Operand[]; bodies: TemplateNode[][] }
  | { type: 'assign'; line: number; name: string; value: ValueUse }
  | { type: 'capture'; line: number; name: string; body: TemplateNode[] }
  | { type: 'jump'; line: number };

declare const compiled: unique symbol;
export interface Compiled {
  [compiled]: true;
}

export function isBlank(value: unknown): boolean;
export function escapeHtml(text: string): string;
export function scanTags(source: string): {
  tags: { name: string; line: number; known: boolean }[];
  deepest: number;
  /** Texts, outputs and tags at the top level of the source. */
  pieces: number;
};
export function splitSource(
  source: string,
): { kind: 'text' | 'output' | 'tag'; name: string; source: string }[];
export function parse(source: string, html: boolean): Compiled;
export function describe(source: string): TemplateNode[];
export function renderParts(parts: (Compiled | null)[], scope: object): (string | null)[] | Refusal;
export function errorLine(error: unknown): number;
export function errorMessage(error: unknown): string;

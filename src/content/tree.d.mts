/** Types of `tree.mjs`. */

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

export function describe(source: string): TemplateNode[];

/**
 * The conditions of the fast path: variables, equality with a literal, `and`, `or`, `not`. Everything is decided
 * as liquidjs decides it, false and absent being the only untrue values.
 */
import type { Operand } from '../../src/content/tree.mjs';
import { isNothing, type Scalar } from './scalar.ts';

export type Condition =
  | { kind: 'variable'; slot: number }
  | { kind: 'equals'; slot: number; literal: Literal; negated: boolean }
  | { kind: 'and' | 'or'; left: Condition; right: Condition }
  | { kind: 'not'; inner: Condition };

type Literal = { kind: 'value'; value: string | number | boolean } | { kind: 'nil' | 'empty' | 'blank' };

type Part = Condition | { kind: 'literal'; literal: Literal };

/** From operands in postfix order; null when there is anything else in it. */
export function compileCondition(operands: Operand[], slotOf: (path: string[]) => number): Condition | null {
  const stack: Part[] = [];
  for (const operand of operands) {
    const part = operand.kind === 'operator' ? combine(operand.operator, stack) : readPart(operand, slotOf);
    if (part === null) return null;
    stack.push(part);
  }
  const [result] = stack;
  return stack.length === 1 && result !== undefined && result.kind !== 'literal' ? result : null;
}

function readPart(operand: Operand, slotOf: (path: string[]) => number): Part | null {
  if (operand.kind === 'path') {
    const slot = slotOf(operand.path);
    return slot < 0 ? null : { kind: 'variable', slot };
  }
  if (operand.kind === 'literal' && operand.value !== null) {
    return { kind: 'literal', literal: { kind: 'value', value: operand.value } };
  }
  if (operand.kind !== 'keyword') return null;
  switch (operand.name) {
    case 'true':
    case 'false':
      return { kind: 'literal', literal: { kind: 'value', value: operand.name === 'true' } };
    case 'nil':
    case 'null':
      return { kind: 'literal', literal: { kind: 'nil' } };
    case 'empty':
    case 'blank':
      return { kind: 'literal', literal: { kind: operand.name } };
    default:
      return null;
  }
}

function combine(operator: string, stack: Part[]): Condition | null {
  const right = stack.pop();
  if (right === undefined) return null;
  if (operator === 'not') return right.kind === 'literal' ? null : { kind: 'not', inner: right };
  const left = stack.pop();
  if (left === undefined) return null;
  if (operator === 'and' || operator === 'or') {
    return left.kind === 'literal' || right.kind === 'literal' ? null : { kind: operator, left, right };
  }
  if (operator !== '==' && operator !== '!=') return null;
  const [variable, literal] = left.kind === 'literal' ? [right, left] : [left, right];
  if (variable.kind !== 'variable' || literal.kind !== 'literal') return null;
  return { kind: 'equals', slot: variable.slot, literal: literal.literal, negated: operator === '!=' };
}

export function holds(condition: Condition, values: readonly Scalar[]): boolean {
  switch (condition.kind) {
    case 'variable': {
      const value = values[condition.slot];
      return !isNothing(value) && value !== false;
    }
    case 'equals':
      return isEqual(values[condition.slot]!, condition.literal) !== condition.negated;
    case 'not':
      return !holds(condition.inner, values);
    case 'and':
      return holds(condition.left, values) && holds(condition.right, values);
    case 'or':
      return holds(condition.left, values) || holds(condition.right, values);
  }
}

function isEqual(value: Scalar, literal: Literal): boolean {
  switch (literal.kind) {
    case 'value':
      return isNothing(value) ? literal.value === '' : value === literal.value;
    case 'nil':
    case 'empty':
      return isNothing(value);
    case 'blank':
      return isNothing(value) || value === false;
  }
}

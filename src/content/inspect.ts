/**
 * What a template uses. In: the plain tree of a source. Out: every variable of the caller's with where it
 * stands, so that the check can judge it and the composer can take just these values from the data.
 */
// The path works from `src/` and from `dist/` alike: the engine is one plain file that is never copied.
import type { FilterUse, Operand, TemplateNode, ValueUse } from '../../src/content/tree.mjs';

export interface VariableUse {
  path: string[];
  line: number;
  /** output: printed. test: in a condition, where blank is allowed. value: read by a tag or a filter. */
  place: 'output' | 'test' | 'value';
  /** A `default` filter stands behind it. */
  has_default: boolean;
}

export interface Inspection {
  uses: VariableUse[];
  dynamic: { source: string; line: number }[];
  filters: FilterUse[];
  /** Names the template makes itself, with the line. */
  locals: Map<string, number>;
  /** Conditions used as outputs, such as `{{ a or b }}`. */
  operator_outputs: number[];
  /** `"now" | date` and the like: another text at every moment. */
  moments: { value: string; line: number }[];
}

const MOMENTS: ReadonlySet<unknown> = new Set(['now', 'today']);

export function inspect(nodes: TemplateNode[]): Inspection {
  const found: Inspection = {
    uses: [],
    dynamic: [],
    filters: [],
    locals: new Map(),
    operator_outputs: [],
    moments: [],
  };
  collectLocals(nodes, found.locals);
  visit(nodes, found);
  return found;
}

function collectLocals(nodes: TemplateNode[], locals: Map<string, number>): void {
  for (const node of nodes) {
    if (node.type === 'assign' || node.type === 'capture' || node.type === 'for') {
      if (!locals.has(node.name)) locals.set(node.name, node.line);
    }
    if (node.type === 'for') locals.set('forloop', node.line);
    for (const body of bodiesOf(node)) collectLocals(body, locals);
  }
}

export function bodiesOf(node: TemplateNode): TemplateNode[][] {
  switch (node.type) {
    case 'if':
      return [...node.branches.map((branch) => branch.body), node.otherwise];
    case 'case':
    case 'for':
      return node.bodies;
    case 'capture':
      return [node.body];
    default:
      return [];
  }
}

function visit(nodes: TemplateNode[], found: Inspection): void {
  for (const node of nodes) {
    switch (node.type) {
      case 'output':
        if (node.value.operands.length > 1) found.operator_outputs.push(node.line);
        visitValue(node.value, 'output', found);
        break;
      case 'assign':
        visitValue(node.value, 'value', found);
        break;
      case 'if':
        for (const branch of node.branches) visitValue(branch.value, 'test', found);
        break;
      case 'case':
        visitValue(node.value, 'test', found);
        for (const operand of node.operands) visitOperand(operand, 'test', false, found);
        break;
      case 'for':
        for (const operand of node.operands) visitOperand(operand, 'value', false, found);
        break;
      default:
    }
    for (const body of bodiesOf(node)) visit(body, found);
  }
}

function visitValue(value: ValueUse, place: VariableUse['place'], found: Inspection): void {
  const hasDefault = value.filters.some((filter) => filter.name === 'default');
  for (const operand of value.operands) visitOperand(operand, place, hasDefault, found);
  for (const filter of value.filters) {
    found.filters.push(filter);
    const first = value.operands[0];
    if (filter.name === 'date' && first?.kind === 'literal' && MOMENTS.has(first.value)) {
      found.moments.push({ value: String(first.value), line: filter.line });
    }
    for (const argument of filter.args) {
      const operand = argument.kind === 'named' ? argument.value : argument;
      visitOperand(operand, place === 'test' ? 'test' : 'value', false, found);
    }
  }
}

function visitOperand(
  operand: Operand,
  place: VariableUse['place'],
  hasDefault: boolean,
  found: Inspection,
): void {
  if (operand.kind === 'range') {
    for (const end of operand.ends) visitOperand(end, 'value', false, found);
  } else if (operand.kind === 'dynamic') {
    found.dynamic.push({ source: operand.source, line: operand.line });
  } else if (operand.kind === 'path' && !found.locals.has(operand.path[0]!)) {
    found.uses.push({ path: operand.path, line: operand.line, place, has_default: hasDefault });
  }
}

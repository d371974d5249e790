/**
 * A source as a plain tree, without liquidjs in it: what the checks and the fast path read. Types are in
 * `tree.d.mts`.
 */
import {
  AssignTag,
  BreakTag,
  CaptureTag,
  CaseTag,
  CommentTag,
  ContinueTag,
  ForTag,
  IfTag,
  Output,
  RawTag,
  TypeGuards,
  UnlessTag,
} from 'liquidjs';
import { FILTERS, lenientLiquid, lineIndex, refuseTooDeep } from './liquid.mjs';

/** A source as a plain tree, unknown filters included. Throws liquidjs's errors. */
export function describe(source) {
  refuseTooDeep(source);
  const lineOf = lineIndex(source);
  return lenientLiquid.parse(source).map((template) => describeNode(template, lineOf));
}

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

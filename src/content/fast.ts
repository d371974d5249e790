/**
 * The fast path: a template without loops, assignments and unbounded filters is compiled to a list of steps and
 * rendered here, on the calling thread, in about a microsecond, instead of in the worker at twenty. Its work is
 * bounded by its own length and by the length of its values, so it needs no fence.
 *
 * In: the plain tree of a source. Out: steps, or null when the template is anything but trivially safe. A
 * property test holds it equal to liquidjs, character by character and refusal by refusal.
 */

import * as engine from '../../src/content/engine.mjs';
import * as liquid from '../../src/content/liquid.mjs';
import type * as tree from '../../src/content/tree.mjs';
import { type Condition, compileCondition, holds } from './fast-condition.ts';
import { type FastFilter, fastFilter } from './fast-filter.ts';
import { isBlankText, isNothing, type Scalar } from './scalar.ts';

type Step =
  | { kind: 'text'; text: string }
  | { kind: 'output'; slot: number; name: string; filters: FastFilter[]; has_default: boolean }
  | {
      kind: 'choice';
      branches: { condition: Condition; negated: boolean; steps: Step[] }[];
      otherwise: Step[];
    };

export interface FastTemplate {
  steps: Step[];
  html: boolean;
}

/** Longer values are rendered in the worker: the bound of the work here is this times the number of outputs. */
export const MAX_FAST_VALUE_CHARS = 16_384;

/** `slotOf` gives the place of a variable among the message's values, or -1 when it is not a plain one. */
export function compileFast(
  nodes: tree.TemplateNode[],
  html: boolean,
  slotOf: (path: string[]) => number,
): FastTemplate | null {
  const steps = compileSteps(nodes, slotOf);
  return steps === null ? null : { steps, html };
}

function compileSteps(nodes: tree.TemplateNode[], slotOf: (path: string[]) => number): Step[] | null {
  const steps: Step[] = [];
  for (const node of nodes) {
    const step = compileStep(node, slotOf);
    if (step === null) return null;
    steps.push(step);
  }
  return steps;
}

function compileStep(node: tree.TemplateNode, slotOf: (path: string[]) => number): Step | null {
  if (node.type === 'text') return { kind: 'text', text: node.text };
  if (node.type === 'output') return compileOutput(node.value, slotOf);
  if (node.type !== 'if') return null;
  const branches: Extract<Step, { kind: 'choice' }>['branches'] = [];
  for (const branch of node.branches) {
    const condition =
      branch.value.filters.length > 0 ? null : compileCondition(branch.value.operands, slotOf);
    const steps = compileSteps(branch.body, slotOf);
    if (condition === null || steps === null) return null;
    branches.push({ condition, negated: branch.negated, steps });
  }
  const otherwise = compileSteps(node.otherwise, slotOf);
  return otherwise === null ? null : { kind: 'choice', branches, otherwise };
}

function compileOutput(value: tree.ValueUse, slotOf: (path: string[]) => number): Step | null {
  const [operand] = value.operands;
  if (value.operands.length !== 1 || operand?.kind !== 'path') return null;
  const slot = slotOf(operand.path);
  if (slot < 0) return null;
  const filters: FastFilter[] = [];
  for (const use of value.filters) {
    const filter = fastFilter(use);
    if (filter === null) return null;
    filters.push(filter);
  }
  const hasDefault = value.filters.some((filter) => filter.name === 'default');
  return { kind: 'output', slot, name: operand.path.join('.'), filters, has_default: hasDefault };
}

/** A rendered part, or the refusal. `budget` is what the message may still print, in characters. */
export function renderFast(
  template: FastTemplate,
  values: readonly Scalar[],
  budget: number,
): string | engine.Refusal {
  const run: Run = { values, html: template.html, budget, refusal: null };
  const text = renderSteps(template.steps, run, '');
  return run.refusal ?? text;
}

interface Run {
  values: readonly Scalar[];
  html: boolean;
  budget: number;
  refusal: engine.Refusal | null;
}

function renderSteps(steps: Step[], run: Run, before: string): string {
  let text = before;
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i]!;
    if (step.kind === 'text') text += step.text;
    else if (step.kind === 'output') text += renderOutput(step, run);
    else text = renderChoice(step, run, text);
    if (text.length > run.budget) run.refusal ??= tooLarge();
    if (run.refusal !== null) return '';
  }
  return text;
}

function renderChoice(step: Extract<Step, { kind: 'choice' }>, run: Run, before: string): string {
  for (const branch of step.branches) {
    if (holds(branch.condition, run.values) !== branch.negated) return renderSteps(branch.steps, run, before);
  }
  return renderSteps(step.otherwise, run, before);
}

function renderOutput(step: Extract<Step, { kind: 'output' }>, run: Run): string {
  const given = run.values[step.slot]!;
  let value: Scalar = given;
  for (let i = 0; i < step.filters.length; i++) value = step.filters[i]!(value);
  if (!step.has_default && (isNothing(given) || isBlankScalar(value))) {
    run.refusal = { reason: 'missing_variable', detail: step.name };
    return '';
  }
  const text = typeof value === 'string' ? value : isNothing(value) ? '' : String(value);
  return run.html ? escapeText(text) : text;
}

function isBlankScalar(value: Scalar): boolean {
  return typeof value === 'string' ? isBlankText(value) : isNothing(value);
}

const MUST_ESCAPE = /[&<>"']/;

function escapeText(text: string): string {
  return MUST_ESCAPE.test(text) ? engine.escapeHtml(text) : text;
}

function tooLarge(): engine.Refusal {
  return { reason: 'output_too_large', detail: `over ${liquid.MAX_OUTPUT_CHARS} characters` };
}

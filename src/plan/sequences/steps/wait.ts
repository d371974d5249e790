/**
 * Wait: nothing goes anywhere. It waits until something holds or its time is over, or decides which step comes next; a
 * worker looks at it (dispatch/look.ts).
 */
import { InvariantError } from '../../../kernel/invariant.ts';
import type { Step } from '../definition.ts';
import type { Note, StepCheck, StepKind } from './step-kind.ts';

export const waitStep: StepKind<Note> = {
  check,
  compose() {
    throw new InvariantError('nobody composes a wait');
  },
};

function check(step: Step, { report }: StepCheck): void {
  const { until, at_most, branches, otherwise, next } = step;
  if (until === undefined && branches === undefined) {
    const message =
      'A wait needs `until` and `at_most`, or `branches`; for a mere pause give the step after it a delay';
    report('until', 'required', message);
  }
  if (until !== undefined && branches !== undefined)
    report('branches', 'until_and_branches', 'A step waits or decides; use two of them, one after the other');
  if (until !== undefined && at_most === undefined)
    report('at_most', 'required', 'Say how long it waits at most, so that nobody waits for ever');
  if (until === undefined && at_most !== undefined)
    report(
      'at_most',
      'without_until',
      'Only a wait with `until` has it; use delay for a time that passes anyway',
    );
  if (branches === undefined && otherwise !== undefined)
    report('otherwise', 'without_branches', 'Only a step with branches has it; use next');
  if (branches !== undefined && next !== undefined)
    report('next', 'branches_and_next', 'A step with branches leads to their steps, or to `otherwise`');
}

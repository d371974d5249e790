/** What is wrong with the jumps of a draft [SEQ-14]: they name steps further on, and every step is on some way. Pure. */
import type { Definition } from './definition.ts';
import { END, flowOf, positionsByKey, reachableSteps } from './flow.ts';

type Report = (field: string, code: string, message: string) => void;

export function checkFlow(definition: Definition, report: Report): void {
  const { steps } = definition;
  const positions = positionsByKey(steps);
  let sound = true;
  const fail: Report = (field, code, message) => {
    sound = false;
    report(field, code, message);
  };
  steps.forEach((step, no) => {
    const at = `steps[${no}]`;
    if (step.key === END) fail(`${at}.key`, 'reserved_key', '`end` means the end of the sequence');
    else if (step.key !== undefined && positions.get(step.key) !== no)
      fail(`${at}.key`, 'duplicate_key', 'Another step has this key');
    const jumps = [
      ['next', step.next],
      ...(step.branches ?? []).map(({ go_to }, arm) => [`branches[${arm}].go_to`, go_to] as const),
      ['otherwise', step.otherwise],
    ] as const;
    for (const [field, target] of jumps) {
      if (target === undefined || target === END) continue;
      const to = positions.get(target);
      if (to === undefined) fail(`${at}.${field}`, 'unknown_step', `No step has the key "${target}"`);
      else if (to <= no)
        fail(
          `${at}.${field}`,
          'not_forward',
          `The step "${target}" does not come after this one in the list`,
        );
    }
  });
  // Of jumps that lead nowhere nobody knows what they leave out.
  if (!sound) return;
  const reached = reachableSteps(flowOf(definition));
  reached.forEach((is, no) => {
    if (!is) report(`steps[${no}]`, 'unreachable_step', 'No way leads to this step');
  });
}

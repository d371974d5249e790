/** The checker: all evidence in, all violations out. It shares no code with what it judges. */
import { checkAcceptance } from './acceptance.ts';
import { checkEnding } from './ending.ts';
import type { Evidence } from './evidence.ts';
import { checkIsolation } from './isolation.ts';
import { checkLimits } from './limits.ts';
import { checkStops } from './stops.ts';
import type { Violation } from './violation.ts';
import { acceptancesOf, givenBack, wordsOf } from './word.ts';

export interface Verdict {
  counts: Record<string, number>;
  violations: Violation[];
}

export function checkEvidence(evidence: Evidence): Verdict {
  const stops = checkStops(evidence);
  const count = (event: string) => evidence.journal.filter((line) => line.event === event).length;
  return {
    counts: {
      calls: count('begun'),
      sends: count('accepted'),
      duplicates: count('duplicate'),
      look_ups: count('looked_up'),
      acks: evidence.acks.filter((ack) => ack.status !== null && ack.status < 400).length,
      stops: evidence.acks.filter((ack) => ack.receipt !== null).length,
      compared: stops.compared,
      late_listed: stops.late_listed,
      after_resume: stops.after_resume,
      given_back: givenBack(acceptancesOf(evidence), wordsOf(evidence)).size,
      touches: evidence.touches.length,
      enrollments: evidence.enrollments.length,
    },
    violations: [
      ...stops.violations,
      ...checkAcceptance(evidence),
      ...checkEnding(evidence),
      ...checkIsolation(evidence),
      ...checkLimits(evidence),
    ],
  };
}

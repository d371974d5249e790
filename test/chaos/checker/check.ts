/** The checker: all evidence in, all violations out. It shares no code with what it judges. */
import { checkAcceptance } from './acceptance.ts';
import { succeeded } from './effect.ts';
import { checkEnding } from './ending.ts';
import type { Ack, Evidence } from './evidence.ts';
import { checkIsolation } from './isolation.ts';
import { checkLimits } from './limits.ts';
import { checkOpenings } from './opening.ts';
import { checkPacing } from './pacing.ts';
import { checkPassages } from './passages.ts';
import { checkPeople } from './people.ts';
import { checkStops } from './stops.ts';
import { checkTold } from './told.ts';
import type { Violation } from './violation.ts';
import { acceptancesOf, givenBack, wordsOf } from './word.ts';

export interface Verdict {
  counts: Record<string, number>;
  violations: Violation[];
}

export function checkEvidence(evidence: Evidence): Verdict {
  const stops = checkStops(evidence);
  const openings = checkOpenings(evidence);
  const pacing = checkPacing(evidence);
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
      ...byChannel(evidence),
      ...byPeople(evidence),
      ...byAct(evidence),
      passages: evidence.passages.length,
      gaps: pacing.gaps,
      held_against_openings: openings.held_against,
      late_calls: openings.late_calls,
    },
    violations: [
      ...stops.violations,
      ...checkAcceptance(evidence),
      ...checkEnding(evidence),
      ...checkIsolation(evidence),
      ...checkLimits(evidence),
      ...checkPassages(evidence),
      ...checkPeople(evidence),
      ...checkTold(evidence),
      ...pacing.violations,
      ...openings.violations,
    ],
  };
}

/** What was accepted, as `sends_sms`. */
function byChannel({ journal, organizations }: Evidence): Record<string, number> {
  const counts: Record<string, number> = {};
  const channels = new Map(
    organizations.flatMap(({ senders }) =>
      senders.map(({ account, channel }) => [account, channel] as const),
    ),
  );
  for (const { event, account } of journal) {
    if (event !== 'accepted') continue;
    const name = `sends_${channels.get(account ?? '') ?? 'nobody'}`;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

/** What was told, what it stopped; and touches of waits, which were decided and which went with arms. */
function byAct({ acks, touches }: Evidence): Record<string, number> {
  const count = (act: string) => acks.filter((ack) => ack.act === act && succeeded(ack)).length;
  const waits = touches.filter(({ channel }) => channel === 'wait');
  return {
    told: count('tell'),
    reactions: count('react'),
    waits: waits.length,
    waits_over: waits.filter(({ state }) => state === 'skipped').length,
  };
}

function byPeople({ acks }: Evidence): Record<string, number> {
  const count = (act: string, wanted: (ack: Ack) => boolean) =>
    acks.filter((ack) => ack.act === act && wanted(ack)).length;
  return {
    drafts: count('draft', succeeded),
    executions: count('execute', (ack) => succeeded(ack) && ack.repeated !== true),
    executions_refused: count('execute', ({ status }) => status === 409),
    taken_up: count('start', succeeded) + count('complete', succeeded),
  };
}

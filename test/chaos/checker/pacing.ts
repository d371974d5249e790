/**
 * I9: no two sends of a paced sender are closer than the gap drawn for the later one, as the API shows it. Judged twice:
 * by the gate's times, between which the budget of the earlier call lies too, so that its call may begin as late as it
 * may; and by what the provider accepted, where only a process that stood still between gate and call brings two closer.
 */
import type { Evidence, Passage, Sender, Touch } from './evidence.ts';
import { CLOCK_MS, passageBefore, passagesOf } from './passages.ts';
import type { Violation } from './violation.ts';
import { acceptancesOf } from './word.ts';

export interface PacingResult {
  violations: Violation[];
  /** Pairs of neighbours that were looked at, at the gate and at the provider. */
  gaps: number;
}

export function checkPacing(evidence: Evidence): PacingResult {
  const result: PacingResult = { violations: [], gaps: 0 };
  for (const { senders, label } of evidence.organizations) {
    for (const sender of senders.filter(({ min_gap_s, max_gap_s }) => (max_gap_s ?? min_gap_s ?? 0) > 0)) {
      const touches = new Map(
        evidence.touches.filter((touch) => touch.sender === sender.id).map((touch) => [touch.id, touch]),
      );
      const tell = (what: string, touch: string) =>
        result.violations.push({ invariant: 'I9', what, touch, sender: sender.id, org: label });
      checkDrawn(sender, [...touches.values()], tell);
      const passages = evidence.passages.filter(({ touch }) => touches.has(touch));
      result.gaps += atTheGate(evidence, sender, touches, passages, tell);
      result.gaps += atTheProvider(evidence, sender, touches, passages, tell);
    }
  }
  return result;
}

type Tell = (what: string, touch: string) => void;

function checkDrawn({ min_gap_s, max_gap_s }: Sender, touches: readonly Touch[], tell: Tell): void {
  const least = (min_gap_s ?? 0) * 1_000;
  const most = Math.max(least, (max_gap_s ?? min_gap_s ?? 0) * 1_000);
  for (const { id, gap, gated_at } of touches) {
    if (gated_at === null) continue;
    if (gap === null) tell('let go, and no gap was drawn for it', id);
    else if (gap < least || gap > most) tell(`a gap of ${gap} ms, not from ${least} to ${most}`, id);
  }
}

/** The same bytes once more keep the least gap. */
function needed(sender: Sender, touch: Touch | undefined, passage: Passage | undefined): number {
  return passage?.again ? (sender.min_gap_s ?? 0) * 1_000 : (touch?.gap ?? 0);
}

function atTheGate(
  { budget }: Evidence,
  sender: Sender,
  touches: ReadonlyMap<string, Touch>,
  passages: readonly Passage[],
  tell: Tell,
): number {
  for (const [i, passage] of passages.entries()) {
    const before = passages[i - 1];
    if (!before) continue;
    const need = needed(sender, touches.get(passage.touch), passage);
    const gap = passage.at - before.at - budget;
    // A millisecond: the clock counts finer than the gap.
    if (gap < need - 1)
      tell(`let go ${gap} ms after the call before it could begin, its gap is ${need}`, passage.touch);
  }
  return Math.max(0, passages.length - 1);
}

function atTheProvider(
  evidence: Evidence,
  sender: Sender,
  touches: ReadonlyMap<string, Touch>,
  passages: readonly Passage[],
  tell: Tell,
): number {
  const byTouch = passagesOf({ passages: [...passages] });
  const accepted = acceptancesOf(evidence).filter(({ account }) => account === sender.account);
  let before: { at: number; late: number } | null = null;
  for (const { touch, began, began_wall: wall } of accepted) {
    const passage = passageBefore(byTouch, { touch_id: touch, wall });
    const at = Number(began) / 1e6;
    const late: number = passage ? Math.max(0, Date.parse(wall) - passage.at - evidence.budget) : 0;
    if (before) {
      const need = needed(sender, touches.get(touch), passage);
      const gap = at - before.at;
      if (gap < need - before.late - CLOCK_MS)
        tell(`accepted, its call ${gap} ms after that before it, its gap is ${need}`, touch);
    }
    before = { at, late };
  }
  return Math.max(0, accepted.length - 1);
}

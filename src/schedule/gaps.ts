/**
 * Moments for messages that keep a gap before them [EXE-9]. In: for each the gap and when it may go, and the moments
 * already taken. Out: for each the first moment that is open to it, as far behind the one before it as its own gap, and
 * as far ahead of the one after it as that one's. Pure.
 */
export interface Slot {
  /** Unix milliseconds. */
  at: number;
  /** Between the one before and this one, milliseconds. */
  gap_ms: number;
}

interface Opening {
  not_before: number;
  not_after: number | null;
}

interface Waiting<G> {
  gap_ms: number;
  /** Written on the slot it gets: to whom it was given. */
  given?: G;
  /** When it may go, at or after a moment; null: never. */
  open(moment: number): Opening | null;
}

interface Place extends Opening {
  at: number;
}

/** Moments tried for one before it is left at the last of them: the gate will say when. */
const MAX_TRIES = 100_000;

/**
 * First come, first served. `from`: when the gap of whatever comes next begins; `now`: nothing is placed before it.
 * `taken` comes in the order of time; what is placed is added to it.
 */
export function placeWithGaps<G = unknown>(
  items: readonly Waiting<G>[],
  taken: (Slot & Partial<G>)[],
  { from, now }: { from: number | null; now: number },
): (Place | null)[] {
  return items.map((item) => {
    const place = placeOne(item, taken, Math.max(now, from === null ? now : from + item.gap_ms));
    if (place)
      taken.splice(firstAfter(taken, place.at), 0, { at: place.at, gap_ms: item.gap_ms, ...item.given! });
    return place;
  });
}

function placeOne(item: Waiting<unknown>, taken: readonly Slot[], earliest: number): Place | null {
  let moment = earliest;
  for (let tries = 0; ; tries++) {
    moment = clear(moment, item.gap_ms, taken);
    const open = item.open(moment);
    if (open === null) return null;
    if (open.not_before <= moment || tries > MAX_TRIES) return { ...open, at: moment };
    moment = open.not_before;
  }
}

/** The first moment from this one on that keeps its own gap to the slot before it and leaves the next one's. */
function clear(from: number, gapMs: number, taken: readonly Slot[]): number {
  let moment = from;
  let i = firstAfter(taken, moment);
  for (;;) {
    const before = taken[i - 1];
    if (before) moment = Math.max(moment, before.at + gapMs);
    const next = taken[i];
    // One at this very moment has become one before it.
    if (!next || (next.at > moment && next.at - next.gap_ms >= moment)) return moment;
    i++;
  }
}

/** The index of the first slot later than this moment. */
function firstAfter(taken: readonly Slot[], moment: number): number {
  let low = 0;
  let high = taken.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (taken[middle]!.at <= moment) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** What is done to the processes, and when: from the seed alone, so a run can be repeated and its plan printed. */
import { LATE_MS, LOOKUP_DELAY_MS, MAX_FREEZE_MS } from './limits.ts';
import { type Random, random } from './random.ts';

export type Fault = { at_ms: number } & (
  | { kind: 'kill'; process: string }
  | { kind: 'freeze'; process: string; ms: number }
  | { kind: 'crash_database'; down_ms: number }
  | { kind: 'terminate_backends'; share: number }
  | { kind: 'cut'; process: string; how: 'now' | 'lose_reply' }
  | { kind: 'stall'; process: string; ms: number }
  | { kind: 'provider_faults'; plan: Record<string, unknown> }
  | { kind: 'provider_refuses'; ms: number }
);
export type FaultKind = Fault['kind'];

/** Mean seconds between two of a kind. */
const MEANS: Record<FaultKind, number> = {
  kill: 3,
  freeze: 2,
  crash_database: 15,
  terminate_backends: 6,
  cut: 2.5,
  stall: 5,
  provider_faults: 4,
  provider_refuses: 8,
};
/** So the first work is under way. */
const QUIET_START_MS = 500;
/** Of the processes, how often the API is chosen. */
const API_SHARE = 0.2;
const APIS = ['api-0', 'api-1'];

export function schedule(seed: number, seconds: number, workers: number): Fault[] {
  const faults: Fault[] = [{ at_ms: 0, ...providerFaults(random(seed, 99), seed) }];
  Object.entries(MEANS).forEach(([kind, mean], stream) => {
    const draw = random(seed, stream);
    const target = () => (draw.next() < API_SHARE ? draw.pick(APIS) : `worker-${draw.below(workers)}`);
    let at = QUIET_START_MS + draw.exponential(mean * 1_000);
    while (at < seconds * 1_000) {
      faults.push({ at_ms: Math.round(at), ...faultOf(kind as FaultKind, draw, target, seed) });
      at += draw.exponential(mean * 1_000);
    }
  });
  return faults.sort((a, b) => a.at_ms - b.at_ms);
}

type Undated<F> = F extends Fault ? Omit<F, 'at_ms'> : never;

function faultOf(kind: FaultKind, draw: Random, target: () => string, seed: number): Undated<Fault> {
  switch (kind) {
    case 'kill':
      return { kind, process: target() };
    case 'freeze':
      return { kind, process: target(), ms: freezeFor(draw) };
    case 'crash_database':
      return { kind, down_ms: Math.round(draw.between(0, 800)) };
    case 'terminate_backends':
      return { kind, share: draw.pick([0.3, 1]) };
    case 'cut':
      return { kind, process: target(), how: draw.pick(['now', 'lose_reply', 'lose_reply']) };
    case 'stall':
      return { kind, process: target(), ms: Math.round(draw.between(50, 2_500)) };
    case 'provider_faults':
      return providerFaults(draw, seed);
    case 'provider_refuses':
      return { kind, ms: Math.round(draw.between(100, 1_200)) };
  }
}

/** Most are short, some outlast every lease. */
function freezeFor(draw: Random): number {
  const [least, most] = draw.pick([
    [30, 500],
    [30, 500],
    [500, 2_000],
    [2_000, MAX_FREEZE_MS],
  ] as const);
  return Math.round(draw.between(least, most));
}

/** What a provider does at its worst; each spell of weather takes a share of it. */
const WORST: Record<string, number> = {
  slow: 0.3,
  throttled: 0.02,
  refused: 0.02,
  unavailable: 0.02,
  error_before: 0.05,
  reset_before: 0.05,
  hang_before: 0.03,
  lost_reply: 0.08,
  bad_gateway: 0.05,
  garbled: 0.04,
  hang_after: 0.04,
  late: 0.03,
};

function providerFaults(draw: Random, seed: number): Undated<Extract<Fault, { kind: 'provider_faults' }>> {
  const rates = Object.fromEntries(
    Object.entries(WORST).map(([fault, worst]) => [
      fault,
      Math.round(worst * draw.pick([0, 0.3, 1]) * 1e3) / 1e3,
    ]),
  );
  return {
    kind: 'provider_faults',
    plan: { seed, rates, slow_ms: 250, late_ms: LATE_MS, lookup_delay_ms: LOOKUP_DELAY_MS },
  };
}

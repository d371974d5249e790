/** Half a minute of chaos, as anybody would run it, and the plan that its seed gives. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { dayZone, localTime, turn, windowOf } from './day.ts';
import { MAX_FREEZE_MS } from './limits.ts';
import { random } from './random.ts';
import { schedule } from './schedule.ts';

const SECONDS = 30;
/** A busy machine does little in half a minute: what one run did not come to, the next may. */
const RUNS = 3;
/** Starting, the run, the drain at its longest, and a machine that does other things. */
const TIMEOUT_MS = RUNS * 360_000;

const HAPPENED = [
  ...['sends', 'sends_email', 'sends_sms', 'sends_whatsapp', 'acks', 'stops', 'compared', 'passages', 'gaps'],
  ...['held_against_openings', 'kills', 'freezes', 'cuts', 'samples', 'told', 'waits_over'],
];

interface Report {
  seconds: number;
  seed: number;
  counts: Record<string, number>;
  violations: unknown[];
}

async function chaos(args: string[]): Promise<{ code: number; report: Report; told: string }> {
  const child = spawn(process.execPath, ['scripts/chaos.mjs', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [text, told] = ['', ''];
  child.stdout.on('data', (chunk) => {
    text += chunk;
  });
  child.stderr.on('data', (chunk) => {
    told += chunk;
  });
  const [code] = await once(child, 'close');
  const last = text.trim().split('\n').at(-1);
  if (!last) throw new Error(`chaos ended with ${code} and told nothing: ${told}`);
  return { code, report: JSON.parse(last), told };
}

describe('chaos', () => {
  it(
    `[EXE-1] [EXE-4] [EXE-5] [EXE-15] [EXE-16] ${SECONDS} s of kills, freezes, crashes and lost answers break no invariant`,
    async () => {
      // A run in which nothing happened proves nothing.
      let missing = HAPPENED;
      for (let run = 0; run < RUNS && missing.length > 0; run++) {
        const seed = Date.now() % 1_000_000;
        const { code, report, told } = await chaos([
          '--seconds',
          `${SECONDS}`,
          '--seed',
          `${seed}`,
          '--json',
        ]);
        expect(report.violations, `seed ${seed}: ${told}`).toEqual([]);
        expect(code).toBe(0);
        expect(report).toMatchObject({ seconds: SECONDS, seed });
        missing = missing.filter((name) => !((report.counts[name] ?? 0) > 0));
      }
      expect(missing).toEqual([]);
    },
    TIMEOUT_MS,
  );

  it('the same seed gives the same schedule, another seed another', () => {
    expect(schedule(7, 60, 3)).toEqual(schedule(7, 60, 3));
    expect(schedule(7, 60, 3)).not.toEqual(schedule(8, 60, 3));
  });

  it('a schedule has faults of every kind, in order, within the time and the longest freeze', () => {
    const faults = schedule(1, 300, 3);
    expect(new Set(faults.map((fault) => fault.kind)).size).toBe(8);
    expect(faults.map((fault) => fault.at_ms)).toEqual(
      faults.map((fault) => fault.at_ms).sort((a, b) => a - b),
    );
    for (const fault of faults) {
      expect(fault.at_ms).toBeLessThan(300_000);
      if (fault.kind === 'freeze') expect(fault.ms).toBeLessThanOrEqual(MAX_FREEZE_MS);
    }
  });

  it('at any hour of the year organizations live where it is day, whole hours from UTC, and windows turn at full minutes', () => {
    const from = Date.parse('2026-01-01T00:10:00Z');
    for (let hour = 0; hour < 365 * 24; hour += 5) {
      const now = from + hour * 3_600_000;
      for (const nth of [0, 1, 2]) {
        const zone = dayZone(nth, now);
        const local = localTime(zone, now);
        expect(local >= '09:00' && local < '18:00', `${zone} ${local}`).toBe(true);
        expect(local.slice(3)).toBe('10');
        expect(localTime(zone, turn(now)).slice(3)).toBe('11');
        for (const kind of ['opens', 'closes'] as const) {
          const { window, opening } = windowOf(kind, zone, turn(now));
          expect(window.from < window.to).toBe(true);
          expect(localTime(zone, opening.closes!)).toBe(window.to);
        }
      }
    }
  });

  it('numbers from a seed are spread evenly', () => {
    const draw = random(3);
    const buckets = Array.from({ length: 10 }, () => 0);
    for (let n = 0; n < 10_000; n++) buckets[draw.below(10)]!++;
    for (const count of buckets) expect(Math.abs(count - 1_000)).toBeLessThan(200);
  });
});

/**
 * A chaos run: a cluster with full durability, an API process, workers and a recording provider, clients that do
 * everything at once, and a schedule of faults from a seed. At the end the checker judges what was recorded.
 *
 * In: the options of scripts/chaos.mjs. Out: counts and violations; exit code 1 when there are any. The run's directory
 * stays when it found something, or with --keep.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkEvidence } from './checker/check.ts';
import { checkDatabase } from './checker/database.ts';
import { loadEvidence } from './checker/evidence.ts';
import { readPassages } from './checker/passages.ts';
import type { Violation } from './checker/violation.ts';
import { asOwner } from './cluster.ts';
import { releaseAll, settle } from './drain.ts';
import { inject, noFaults } from './inject.ts';
import { followJournal } from './journal-tail.ts';
import { runClient } from './load.ts';
import { type Samples, sample } from './sample.ts';
import { schedule } from './schedule.ts';
import { show } from './show.ts';
import { type Stage, startStage } from './stage.ts';

const SHOWN_VIOLATIONS = 50;

interface Options {
  seconds: number;
  seed: number;
  workers: number;
  clients: number;
  json: boolean;
  replay: boolean;
  keep: boolean;
}

/** Returns the exit code. `root` is the project's; `dir` is empty and the run's own. */
export async function main(root: string, dir: string, options: Options): Promise<number> {
  const say = (line: string) => void process.stderr.write(`${line}\n`);
  const faults = schedule(options.seed, options.seconds, options.workers);
  if (options.replay) {
    for (const { at_ms, ...fault } of faults) say(`${(at_ms / 1_000).toFixed(3)} s ${JSON.stringify(fault)}`);
  }
  say(`chaos: ${options.seconds} s, seed ${options.seed}, ${faults.length} faults`);
  mkdirSync(dir, { recursive: true });
  const stage = await startStage(root, dir, options);
  try {
    const report = await play(stage, options, faults, dir, say);
    tell(report, options, say);
    if (report.violations.length > 0 || options.keep) say(`the run's record: ${dir}`);
    else await stage.end().then(() => rmSync(dir, { recursive: true, force: true }));
    return report.violations.length > 0 ? 1 : 0;
  } finally {
    await stage.end();
  }
}

interface Report {
  seconds: number;
  seed: number;
  counts: Record<string, number>;
  violations: Violation[];
}

async function play(
  stage: Stage,
  options: Options,
  faults: ReturnType<typeof schedule>,
  dir: string,
  say: (line: string) => void,
): Promise<Report> {
  const from = Date.now();
  const counts = noFaults();
  const samples: Samples = { taken: 0, violations: [] };
  const over = AbortSignal.timeout(options.seconds * 1_000);
  const ended = new AbortController();
  const trouble = join(dir, 'trouble.log');
  const side = [
    followJournal(stage.journal, stage.books, ended.signal),
    sample(stage.cluster, samples, over),
    inject(stage, faults, counts, over),
  ];
  await Promise.all(
    Array.from({ length: options.clients }, (_, n) =>
      runClient({ client: stage.client, books: stage.books, trouble }, options.seed, n, over),
    ),
  );
  say('faults over; waiting until everything has settled');
  const drained = performance.now();
  await stage.calm();
  await releaseAll(stage.client, stage.books);
  const open = await settle(stage.cluster.url(), say);
  const drain_s = Math.round((performance.now() - drained) / 100) / 10;
  const read_at = Date.now();
  await stage.rest();
  ended.abort();
  await Promise.all(side);
  await show(stage.client, stage.books, { from, read_at }, join(dir, 'shown.json'));
  const passages = await asOwner(stage.cluster.url(), (client) => readPassages(client));
  writeFileSync(join(dir, 'passages.json'), JSON.stringify(passages));
  await stage.recorder.close();
  const verdict = checkEvidence(await loadEvidence(dir));
  const tables = await asOwner(stage.cluster.url(), (client) => checkDatabase(client));
  const unsettled: Violation[] = open
    ? [{ invariant: 'I3', what: 'not everything settled after the faults', ...open }]
    : [];
  const report = {
    seconds: options.seconds,
    seed: options.seed,
    counts: {
      ...verdict.counts,
      ...counts,
      samples: samples.taken,
      drain_s,
      ...Object.fromEntries([...stage.recorder.byAct].map(([act, count]) => [`act_${act}`, count])),
    },
    violations: [...verdict.violations, ...tables, ...samples.violations, ...unsettled],
  };
  writeFileSync(
    join(dir, 'report.json'),
    JSON.stringify({ ...report, statuses: Object.fromEntries(stage.recorder.byStatus) }, null, 1),
  );
  return report;
}

function tell(report: Report, options: Options, say: (line: string) => void): void {
  const { counts, violations } = report;
  say(
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count}`)
      .join(', '),
  );
  for (const violation of violations.slice(0, SHOWN_VIOLATIONS))
    say(`VIOLATION ${JSON.stringify(violation)}`);
  say(violations.length === 0 ? 'no violations' : `${violations.length} violations; seed ${report.seed}`);
  if (options.json) process.stdout.write(`${JSON.stringify(report)}\n`);
}

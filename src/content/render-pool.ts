/**
 * Renders batches in a worker that may die [EXE-10]. In: jobs. Out: one result a job, in order. A job under which
 * the worker dies ends with a typed refusal, and the others of its batch are not judged by it: they succeed, or are told
 * that they were not tried (`template_busy`), because what one template may waste of everybody's time has a limit.
 */
import {
  DEFAULT_WORKER_LIMITS,
  type RenderResult,
  type RenderTemplate,
  RenderWorker,
  type WorkerLimits,
} from './render-worker.ts';

/** A machine that was busy elsewhere for a quarter of a second is no fault of the template: it is tried again. */
const TRIES_PER_JOB = 2;
/**
 * Tries that one template may waste in a window of time: three of its jobs, 1.5 s. After that each batch tries one more
 * of its jobs that fails, so that there is progress in every batch, and whoever comes alone gets an answer of its own.
 */
const WASTE_LIMIT = 3 * TRIES_PER_JOB;
const WASTE_WINDOW_MS = 60_000;
const MAX_REMEMBERED = 1_000;
/** Values of one message, as JSON: far more than a person is described by, far less than the thread's heap. */
const MAX_VALUES_CHARS = 1_000_000;
/** Values that are in the thread at once. */
const MAX_RUN_CHARS = 4_000_000;

export interface RenderJob {
  template: RenderTemplate;
  /** JSON values, one for each path of the template. */
  values: readonly unknown[];
}

interface Waste {
  tries: number;
  since: number;
}

interface Batch {
  jobs: readonly RenderJob[];
  /** The values of each job as JSON. */
  values: string[];
  results: RenderResult[];
  tries: number[];
  /** Tries that failed in this batch, by the key of their template. */
  wasted: Map<string, number>;
  /** How often the worker died before it had begun any job. */
  dead_starts: number;
}

function tooMuch(values: string): RenderResult | null {
  if (values.length <= MAX_VALUES_CHARS) return null;
  const detail = `values over ${MAX_VALUES_CHARS} characters`;
  return { ok: false, reason: 'output_too_large', detail };
}

const BUSY: RenderResult = {
  ok: false,
  reason: 'template_busy',
  detail:
    'not rendered yet: its template took too long for others; open it by itself, or look again in a minute',
};

/** The first jobs whose values fit into the thread together; at least one, and a suspect alone. */
function oneRun(batch: Batch, waiting: number[]): number[] {
  if (batch.tries[waiting[0]!]! > 0) return waiting.slice(0, 1);
  let chars = 0;
  const end = waiting.findIndex((index, place) => {
    chars += batch.values[index]!.length;
    return place > 0 && chars > MAX_RUN_CHARS;
  });
  return end < 0 ? waiting : waiting.slice(0, end);
}

export class RenderPool {
  readonly #limits: WorkerLimits;
  readonly #waste = new Map<string, Waste>();
  #worker: RenderWorker | null = null;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(limits: WorkerLimits = DEFAULT_WORKER_LIMITS) {
    this.#limits = limits;
  }

  /** One batch after the other. Never rejects for what a template does. */
  composeBatch(jobs: readonly RenderJob[]): Promise<RenderResult[]> {
    const run = this.#queue.then(() => this.#renderAll(jobs));
    this.#queue = run.catch(() => undefined);
    return run;
  }

  async close(): Promise<void> {
    await this.#queue;
    await this.#worker?.stop();
    this.#worker = null;
  }

  async #renderAll(jobs: readonly RenderJob[]): Promise<RenderResult[]> {
    const batch: Batch = {
      jobs,
      values: jobs.map((job) => JSON.stringify(job.values)),
      results: new Array(jobs.length),
      tries: new Array(jobs.length).fill(0),
      wasted: new Map(),
      dead_starts: 0,
    };
    let waiting = [...jobs.keys()];
    while (waiting.length > 0) {
      waiting = waiting.filter((index) => {
        const refused = tooMuch(batch.values[index]!) ?? this.#busy(batch, jobs[index]!.template.key);
        if (refused !== null) batch.results[index] = refused;
        return refused === null;
      });
      if (waiting.length > 0) waiting = await this.#renderOnce(batch, waiting);
    }
    return batch.results;
  }

  /** One run in the worker; answers which jobs still wait, suspects first. */
  async #renderOnce(batch: Batch, all: number[]): Promise<number[]> {
    const running = oneRun(batch, all);
    const rows = running.map((index) => ({
      template: batch.jobs[index]!.template,
      values: batch.values[index]!,
    }));
    const outcome = await this.#usableWorker().run(rows);
    if (outcome.kind === 'done') {
      return [...this.#keepResults(batch, running, outcome.results), ...all.slice(running.length)];
    }
    const given: RenderResult = { ok: false, reason: outcome.reason, detail: outcome.detail };
    const suspect = running[Math.min(outcome.index, running.length - 1)];
    if (suspect === undefined) {
      // It died before the first job, so no job is to blame: all are tried once more, then this run is given up.
      if (++batch.dead_starts < TRIES_PER_JOB) return all;
      for (const index of running) batch.results[index] = given;
      return all.slice(running.length);
    }
    const rest = all.filter((index) => index !== suspect);
    return this.#giveUp(batch, suspect, given) ? rest : [suspect, ...rest];
  }

  /** Notes what a run gave; answers the jobs that ran out of time for the first time, then those that were not tried. */
  #keepResults(batch: Batch, running: number[], results: RenderResult[]): number[] {
    const suspects: number[] = [];
    const untried: number[] = [];
    for (const [place, index] of running.entries()) {
      const result = results[place]!;
      if (!result.ok && result.reason === 'template_busy') untried.push(index);
      else if (result.ok || result.reason !== 'template_timeout') batch.results[index] = result;
      else if (!this.#giveUp(batch, index, result)) suspects.push(index);
    }
    return [...suspects, ...untried];
  }

  /** Counts a failed try; true when it was the last. */
  #giveUp(batch: Batch, index: number, result: RenderResult): boolean {
    const { key } = batch.jobs[index]!.template;
    batch.wasted.set(key, (batch.wasted.get(key) ?? 0) + 1);
    if (this.#waste.size >= MAX_REMEMBERED) this.#waste.clear();
    const { tries, since } = this.#wasteOf(key) ?? { tries: 0, since: performance.now() };
    this.#waste.set(key, { tries: tries + 1, since });
    batch.tries[index] = batch.tries[index]! + 1;
    if (batch.tries[index]! < TRIES_PER_JOB) return false;
    batch.results[index] = result;
    return true;
  }

  /** Null while the template may still be tried in this batch. */
  #busy(batch: Batch, key: string): RenderResult | null {
    if ((batch.wasted.get(key) ?? 0) < TRIES_PER_JOB) return null;
    return (this.#wasteOf(key)?.tries ?? 0) < WASTE_LIMIT ? null : BUSY;
  }

  /** What the template has wasted in its window, which begins with the first failure. */
  #wasteOf(key: string): Waste | null {
    const waste = this.#waste.get(key);
    return waste === undefined || performance.now() - waste.since >= WASTE_WINDOW_MS ? null : waste;
  }

  #usableWorker(): RenderWorker {
    if (this.#worker?.canTake()) return this.#worker;
    void this.#worker?.stop();
    this.#worker = new RenderWorker(this.#limits);
    return this.#worker;
  }
}

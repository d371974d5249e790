/**
 * Renders batches in a worker that may die [EXE-10]. In: jobs. Out: one result a job, in order. A job under which
 * the worker dies ends with a typed refusal, and all the others of its batch succeed.
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
/** A template under which this many messages had to be given up is not tried again for a while. */
const GIVEN_UP_LIMIT = 3;
const QUARANTINE_MS = 60_000;
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

interface Offence {
  given_up: number;
  at: number;
  result: RenderResult;
}

interface Batch {
  jobs: readonly RenderJob[];
  /** The values of each job as JSON. */
  values: string[];
  results: RenderResult[];
  tries: number[];
  /** How often the worker died before it had begun any job. */
  dead_starts: number;
}

function tooMuch(values: string): RenderResult | null {
  if (values.length <= MAX_VALUES_CHARS) return null;
  const detail = `values over ${MAX_VALUES_CHARS} characters`;
  return { ok: false, reason: 'output_too_large', detail };
}

/** The first jobs whose values fit into the thread together; at least one. */
function oneRun(batch: Batch, waiting: number[]): number[] {
  let chars = 0;
  const end = waiting.findIndex((index, place) => {
    chars += batch.values[index]!.length;
    return place > 0 && chars > MAX_RUN_CHARS;
  });
  return end < 0 ? waiting : waiting.slice(0, end);
}

export class RenderPool {
  readonly #limits: WorkerLimits;
  readonly #offences = new Map<string, Offence>();
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
      dead_starts: 0,
    };
    let waiting = [...jobs.keys()];
    while (waiting.length > 0) {
      waiting = waiting.filter((index) => {
        const refused = tooMuch(batch.values[index]!) ?? this.#quarantined(jobs[index]!.template.key);
        if (refused !== null) batch.results[index] = refused;
        return refused === null;
      });
      if (waiting.length > 0) waiting = await this.#renderOnce(batch, waiting);
    }
    return batch.results;
  }

  /** One run in the worker; answers which jobs still wait, a suspect last. */
  async #renderOnce(batch: Batch, all: number[]): Promise<number[]> {
    const running = oneRun(batch, all);
    const rows = running.map((index) => ({
      template: batch.jobs[index]!.template,
      values: batch.values[index]!,
    }));
    const outcome = await this.#usableWorker().run(rows);
    if (outcome.kind === 'done') {
      return [...all.slice(running.length), ...this.#keepResults(batch, running, outcome.results)];
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
    return this.#giveUp(batch, suspect, given) ? rest : [...rest, suspect];
  }

  /** Notes what a run gave; answers the jobs that ran out of time for the first time. */
  #keepResults(batch: Batch, running: number[], results: RenderResult[]): number[] {
    return running.filter((index, place) => {
      const result = results[place]!;
      if (!result.ok && result.reason === 'template_timeout') return !this.#giveUp(batch, index, result);
      batch.results[index] = result;
      return false;
    });
  }

  /** Counts a failed try; true when it was the last. */
  #giveUp(batch: Batch, index: number, result: RenderResult): boolean {
    batch.tries[index] = batch.tries[index]! + 1;
    if (batch.tries[index]! < TRIES_PER_JOB) return false;
    batch.results[index] = result;
    const { key } = batch.jobs[index]!.template;
    if (this.#offences.size >= MAX_REMEMBERED) this.#offences.clear();
    const before = this.#offences.get(key)?.given_up ?? 0;
    this.#offences.set(key, { given_up: before + 1, at: performance.now(), result });
    return true;
  }

  #quarantined(key: string): RenderResult | null {
    const offence = this.#offences.get(key);
    if (offence === undefined || offence.given_up < GIVEN_UP_LIMIT) return null;
    if (performance.now() - offence.at < QUARANTINE_MS) return offence.result;
    this.#offences.delete(key);
    return null;
  }

  #usableWorker(): RenderWorker {
    if (this.#worker?.canTake()) return this.#worker;
    void this.#worker?.stop();
    this.#worker = new RenderWorker(this.#limits);
    return this.#worker;
  }
}

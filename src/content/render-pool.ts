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

export interface RenderPool {
  composeBatch(jobs: readonly RenderJob[]): Promise<RenderResult[]>;
  close(): Promise<void>;
}

interface Offence {
  given_up: number;
  at: number;
  result: RenderResult;
}

interface BatchState {
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
function oneRun(state: BatchState, waiting: number[]): number[] {
  let chars = 0;
  const end = waiting.findIndex((index, place) => {
    chars += state.values[index]!.length;
    return place > 0 && chars > MAX_RUN_CHARS;
  });
  return end < 0 ? waiting : waiting.slice(0, end);
}

export function createRenderPool(limits: WorkerLimits = DEFAULT_WORKER_LIMITS): RenderPool {
  let worker: RenderWorker | null = null;
  let queue: Promise<unknown> = Promise.resolve();
  const offences = new Map<string, Offence>();

  function usableWorker(): RenderWorker {
    if (worker?.canTake()) return worker;
    void worker?.stop();
    worker = new RenderWorker(limits);
    return worker;
  }

  function quarantined(key: string): RenderResult | null {
    const offence = offences.get(key);
    if (offence === undefined || offence.given_up < GIVEN_UP_LIMIT) return null;
    if (performance.now() - offence.at < QUARANTINE_MS) return offence.result;
    offences.delete(key);
    return null;
  }

  function remember(key: string, result: RenderResult): void {
    if (offences.size >= MAX_REMEMBERED) offences.clear();
    const before = offences.get(key)?.given_up ?? 0;
    offences.set(key, { given_up: before + 1, at: performance.now(), result });
  }

  async function renderAll(jobs: readonly RenderJob[]): Promise<RenderResult[]> {
    const state: BatchState = {
      jobs,
      values: jobs.map((job) => JSON.stringify(job.values)),
      results: new Array(jobs.length),
      tries: new Array(jobs.length).fill(0),
      dead_starts: 0,
    };
    let waiting = [...jobs.keys()];
    while (waiting.length > 0) {
      waiting = waiting.filter((index) => {
        const refused = tooMuch(state.values[index]!) ?? quarantined(jobs[index]!.template.key);
        if (refused !== null) state.results[index] = refused;
        return refused === null;
      });
      if (waiting.length > 0) waiting = await renderOnce(state, waiting);
    }
    return state.results;
  }

  /** One run in the worker; answers which jobs still wait, the suspect last. */
  async function renderOnce(state: BatchState, all: number[]): Promise<number[]> {
    const waiting = oneRun(state, all);
    const later = all.slice(waiting.length);
    const rows = waiting.map((index) => ({
      template: state.jobs[index]!.template,
      values: state.values[index]!,
    }));
    const outcome = await usableWorker().run(rows);
    if (outcome.kind === 'done') {
      return [...later, ...keepResults(state, waiting, outcome.results)];
    }
    const given: RenderResult = { ok: false, reason: outcome.reason, detail: outcome.detail };
    const suspect = waiting[Math.min(outcome.index, waiting.length - 1)];
    if (suspect === undefined) {
      // It died before the first job, so no job is to blame: all are tried once more, then this run is given up.
      if (++state.dead_starts < TRIES_PER_JOB) return all;
      for (const index of waiting) state.results[index] = given;
      return later;
    }
    const rest = all.filter((index) => index !== suspect);
    state.tries[suspect] = state.tries[suspect]! + 1;
    if (state.tries[suspect]! < TRIES_PER_JOB) return [...rest, suspect];
    state.results[suspect] = given;
    remember(state.jobs[suspect]!.template.key, given);
    return rest;
  }

  /** Notes what a run gave; answers the jobs that ran out of time for the first time. */
  function keepResults(state: BatchState, waiting: number[], results: RenderResult[]): number[] {
    const again: number[] = [];
    for (const [place, result] of results.entries()) {
      const index = waiting[place]!;
      const timedOut = !result.ok && result.reason === 'template_timeout';
      if (timedOut) state.tries[index] = state.tries[index]! + 1;
      if (timedOut && state.tries[index]! < TRIES_PER_JOB) {
        again.push(index);
        continue;
      }
      state.results[index] = result;
      if (timedOut) remember(state.jobs[index]!.template.key, result);
    }
    return again;
  }

  return {
    composeBatch(jobs) {
      const run = queue.then(() => renderAll(jobs));
      queue = run.catch(() => undefined);
      return run;
    },
    async close() {
      await queue;
      await worker?.stop();
      worker = null;
    },
  };
}

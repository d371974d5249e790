/**
 * One render worker from its start to its end. Owns the thread, its limits and the watch over it. In: rows to
 * render. Out: their texts, or under which row the thread had to be stopped, and why.
 */
import { Worker } from 'node:worker_threads';
import type { RenderReason } from '../../src/content/engine.mjs';

/** One text of a message, e.g. its subject. Values are escaped where `html` is. */
export interface TemplatePart {
  source: string;
  html: boolean;
}

/** What the worker needs of a template. `paths` name the values of a row, in order. */
export interface RenderTemplate {
  /** Equal keys mean equal sources. */
  key: string;
  parts: readonly TemplatePart[];
  paths: string[][];
}

/** One row: `values` is a JSON array with one value for each path of the template. */
export interface RenderRow {
  template: RenderTemplate;
  values: string;
}

export type RenderResult =
  | { ok: true; texts: string[] }
  | { ok: false; reason: RenderReason; detail: string };

export type RunOutcome =
  | { kind: 'done'; results: RenderResult[] }
  /** `index` is the row it died under, -1 when it had not begun any. */
  | { kind: 'died'; index: number; reason: RenderReason; detail: string };

export interface WorkerLimits {
  /** Without a new row in this time the thread is stopped. */
  stuck_ms: number;
  /** The same before the first row: starting a thread and reading the batch. */
  start_ms: number;
  /** Heap of the thread. */
  heap_mb: number;
}

export const DEFAULT_WORKER_LIMITS: WorkerLimits = { stuck_ms: 250, start_ms: 15_000, heap_mb: 64 };

const WATCH_EVERY_MS = 25;
/** Templates one thread keeps compiled; after that the next batch begins in a new thread. */
const MAX_TEMPLATES = 1_000;

/** From `src/content` and from `dist/content` alike this is the one file in `src/content`. */
const WORKER_FILE = new URL('../../src/content/worker.mjs', import.meta.url);

interface Answer {
  run: number;
  out: string[];
}

export class RenderWorker {
  readonly #limits: WorkerLimits;
  readonly #progress = new Int32Array(new SharedArrayBuffer(4));
  readonly #worker: Worker;
  readonly #numbers = new Map<string, number>();
  #runs = 0;
  #finish: ((outcome: RunOutcome) => void) | null = null;
  #alive = true;

  constructor(limits: WorkerLimits = DEFAULT_WORKER_LIMITS) {
    this.#limits = limits;
    this.#worker = new Worker(WORKER_FILE, {
      workerData: { progress: this.#progress.buffer },
      resourceLimits: {
        maxOldGenerationSizeMb: limits.heap_mb,
        maxYoungGenerationSizeMb: 16,
        stackSizeMb: 4,
      },
      // Neither the environment with its secrets nor this process's own flags concern it.
      env: {},
      execArgv: [],
    });
    this.#worker.unref();
    this.#worker.on('message', (answer: Answer) => this.#answered(answer));
    this.#worker.on('error', (error) => this.#failed(error));
    this.#worker.on('exit', () => this.#died('template_error', 'the render worker ended'));
  }

  /** False once it is stopped or full: take a new one. */
  canTake(): boolean {
    return this.#alive && this.#numbers.size < MAX_TEMPLATES;
  }

  /** Renders rows in order; one run at a time. */
  run(rows: readonly RenderRow[]): Promise<RunOutcome> {
    const added: unknown[] = [];
    const numbers = rows.map((row) => this.#numberOf(row.template, added));
    const values = rows.map((row) => row.values);
    this.#progress[0] = 0;
    this.#worker.ref();
    return new Promise((resolve) => {
      const watch = this.#watch();
      this.#finish = (outcome) => {
        clearInterval(watch);
        this.#finish = null;
        this.#worker.unref();
        resolve(outcome);
      };
      if (!this.#alive) this.#died('template_error', 'the render worker ended');
      else this.#worker.postMessage({ run: ++this.#runs, added, numbers, values });
    });
  }

  async stop(): Promise<void> {
    this.#alive = false;
    await this.#worker.terminate();
  }

  #numberOf(template: RenderTemplate, added: unknown[]): number {
    const known = this.#numbers.get(template.key);
    if (known !== undefined) return known;
    const number = this.#numbers.size;
    this.#numbers.set(template.key, number);
    added.push([number, template.parts, template.paths]);
    return number;
  }

  /** Time is counted in looks, not read from the clock: a pause of this thread is not the worker's fault. */
  #watch(): NodeJS.Timeout {
    let seen = 0;
    let looks = 0;
    return setInterval(() => {
      const now = Atomics.load(this.#progress, 0);
      looks = now === seen ? looks + 1 : 0;
      seen = now;
      const limit = seen === 0 ? this.#limits.start_ms : this.#limits.stuck_ms;
      if (looks * WATCH_EVERY_MS >= limit) this.#stuck();
    }, WATCH_EVERY_MS);
  }

  #stuck(): void {
    this.#died('template_timeout', `no end after ${this.#limits.stuck_ms} ms`);
    void this.stop();
  }

  #answered({ run, out }: Answer): void {
    if (run !== this.#runs || this.#finish === null) return;
    const results: RenderResult[] = [];
    for (let i = 0; i < out.length; ) {
      const reason = out[i++] as RenderReason | '';
      const count = reason === '' ? Number(out[i++]) : 1;
      const texts = out.slice(i, i + count);
      i += count;
      results.push(reason === '' ? { ok: true, texts } : { ok: false, reason, detail: texts[0]! });
    }
    this.#finish({ kind: 'done', results });
  }

  #failed(error: Error & { code?: string }): void {
    if (error.code === 'ERR_WORKER_OUT_OF_MEMORY') this.#died('output_too_large', 'out of memory');
    else this.#died('template_error', error.message);
  }

  #died(reason: RenderReason, detail: string): void {
    this.#alive = false;
    const index = Atomics.load(this.#progress, 0) - 1;
    this.#finish?.({ kind: 'died', index, reason, detail });
  }
}

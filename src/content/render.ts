/**
 * Renders templates with data, for every channel's composer. Nearly all templates take the fast path, on this thread;
 * the others go to the worker in one round trip a batch. The caller sees no difference.
 */
import type * as engine from '../../src/content/engine.mjs';
import * as liquid from '../../src/content/liquid.mjs';
import { renderFast } from './fast.ts';
import { type Preparation, type PreparedTemplate, takeValues, usedValues } from './prepare.ts';
import { type RenderJob, RenderPool } from './render-pool.ts';
import type { RenderResult, WorkerLimits } from './render-worker.ts';
import type { Scalar } from './scalar.ts';
import type { TemplateVars } from './variables.ts';

export interface TemplateJob {
  preparation: Preparation;
  vars: TemplateVars;
}

export interface Refused {
  ok: false;
  reason: engine.RenderReason;
  detail: string;
}

/** `hash`: over what the recipient gets. `used`: the values composed in. */
export interface Content<M> {
  ok: true;
  message: M;
  hash: string;
  used: Record<string, string>;
}

/** A message, or why this one alone is skipped. */
export type Composition<M> = Content<M> | Refused;

/** `texts`: one a part of the template. `used`: the values printed or looked at, to be kept with the message. */
export type Rendered = { ok: true; texts: string[]; used: Record<string, string> } | Refused;

export interface Renderer {
  /** In the order of the jobs. Never rejects for what a template does. */
  render(batch: readonly TemplateJob[]): Promise<Rendered[]>;
  close(): Promise<void>;
}

export function createRenderer(limits?: WorkerLimits): Renderer {
  // The thread starts with the first template that needs it; most processes never do.
  let pool: RenderPool | null = null;

  async function render(batch: readonly TemplateJob[]): Promise<Rendered[]> {
    const results = new Array<Rendered>(batch.length);
    const slow: { index: number; job: RenderJob; template: PreparedTemplate }[] = [];
    for (let index = 0; index < batch.length; index++) {
      const { preparation, vars } = batch[index]!;
      if (!preparation.ok) {
        results[index] = { ok: false, reason: 'template_error', detail: preparation.detail };
        continue;
      }
      const { template } = preparation;
      const values: unknown[] = [];
      const scalar = takeValues(template, vars, values);
      if (scalar && template.fast !== null) {
        results[index] = withValues(template, values, renderHere(template.fast, values as Scalar[]));
      } else {
        slow.push({ index, job: { template, values }, template });
      }
    }
    if (slow.length > 0) {
      pool ??= new RenderPool(limits);
      const rendered = await pool.composeBatch(slow.map(({ job }) => job));
      for (const [place, { index, job, template }] of slow.entries()) {
        results[index] = withValues(template, job.values, rendered[place]!);
      }
    }
    return results;
  }

  return {
    render,
    async close() {
      await pool?.close();
      pool = null;
    },
  };
}

/** The process's own. Its worker keeps no process alive. */
export const sharedRenderer = createRenderer();

function renderHere(parts: NonNullable<PreparedTemplate['fast']>, values: readonly Scalar[]): RenderResult {
  let budget = liquid.MAX_OUTPUT_CHARS;
  const texts: string[] = [];
  for (const part of parts) {
    const text = renderFast(part, values, budget);
    if (typeof text !== 'string') return { ok: false, ...text };
    budget -= text.length;
    texts.push(text);
  }
  return { ok: true, texts };
}

function withValues(
  template: PreparedTemplate,
  values: readonly unknown[],
  rendered: RenderResult,
): Rendered {
  return rendered.ok ? { ok: true, texts: rendered.texts, used: usedValues(template, values) } : rendered;
}

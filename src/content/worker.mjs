/**
 * The render worker: everything in this thread may be stopped from outside at any instant, and nothing in it is
 * worth keeping. In: a batch of rows, each the number of a template and its values as JSON; templates only
 * the first time. Out: for a row its texts or its refusal. Before each row its number is written where the other side can see it, so that
 * whoever stops the thread knows under which row it hung.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { parse, renderParts } from './engine.mjs';
import { errorMessage } from './liquid.mjs';

/** @typedef {{ sources: { source: string, html: boolean }[], paths: string[][], parts: object[] | null, slow: boolean }} Template */

const progress = new Int32Array(workerData.progress);
/** @type {Map<number, Template>} */
const templates = new Map();

parentPort.on('message', ({ run, added, numbers, values }) => {
  for (const [number, sources, paths] of added) {
    templates.set(number, { sources, paths, parts: null, slow: false });
  }
  for (const template of templates.values()) template.slow = false;
  const out = [];
  for (let i = 0; i < numbers.length; i++) {
    Atomics.store(progress, 0, i + 1);
    renderRow(templates.get(numbers[i]), values[i], out);
  }
  // More than there are rows: finished, whatever the clock of the other side says.
  Atomics.store(progress, 0, numbers.length + 1);
  parentPort.postMessage({ run, out });
});

/** Appends `'', count, text…` or `reason, detail`. After a time-out the rest with that template is handed back untried. */
function renderRow(template, values, out) {
  if (template.slow) {
    out.push('template_busy', 'the template was too slow for others of its batch');
    return;
  }
  const result = render(template, values);
  if (result.reason === 'template_timeout') template.slow = true;
  if (Array.isArray(result)) out.push('', String(result.length), ...result);
  else out.push(result.reason, result.detail);
}

function render(template, values) {
  try {
    template.parts ??= template.sources.map(({ source, html }) => parse(source, html));
  } catch (error) {
    return { reason: 'template_error', detail: errorMessage(error) };
  }
  return renderParts(template.parts, scopeOf(template.paths, JSON.parse(values)));
}

/** Objects without a prototype, so that no name in a template means more than the values given. */
function scopeOf(paths, values) {
  const scope = Object.create(null);
  for (let i = 0; i < paths.length; i++) {
    const path = paths[i];
    let at = scope;
    for (let j = 0; j < path.length - 1; j++) at = at[path[j]] ??= Object.create(null);
    at[path[path.length - 1]] = values[i];
  }
  return scope;
}

/**
 * Requests to somebody's own system. The payload is JSON whose texts are templates: a value is put into a text and the
 * whole is written as JSON afterwards, so no value can end a string or add a field.
 */
import type { WebhookMessage } from '../kernel/message.ts';
import { contentHash, type Keyed } from './content-hash.ts';
import { prepareTexts } from './prepare.ts';
import { type Composition, type Rendered, type Renderer, sharedRenderer } from './render.ts';
import type { TemplateVars } from './variables.ts';

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

export interface WebhookJob {
  template: Keyed<Json>;
  vars: TemplateVars;
  from: string;
  url: string;
  /** What it is about: stands beside the payload, under names of its own. */
  envelope: { [key: string]: Json };
}

/** The texts in it, in the one order that composing fills them by, with where they stand. */
export function textsOf(payload: Json, at = 'payload'): { field: string; source: string }[] {
  if (typeof payload === 'string') return [{ field: at, source: payload }];
  if (payload === null || typeof payload !== 'object') return [];
  return Array.isArray(payload)
    ? payload.flatMap((item, i) => textsOf(item, `${at}[${i}]`))
    : Object.entries(payload).flatMap(([key, item]) => textsOf(item, `${at}.${key}`));
}

export async function composeWebhook(
  batch: readonly WebhookJob[],
  renderer: Renderer = sharedRenderer,
): Promise<Composition<WebhookMessage>[]> {
  const rendered = await renderer.render(
    batch.map(({ template: { key, source }, vars }) => ({
      preparation: prepareTexts(
        key,
        textsOf(source).map((text) => text.source),
      ),
      vars,
    })),
  );
  return batch.map((job, i) => finish(job, rendered[i]!));
}

function finish(job: WebhookJob, rendered: Rendered): Composition<WebhookMessage> {
  if (!rendered.ok) return rendered;
  let next = 0;
  const payload = filled(job.template.source, () => rendered.texts[next++]!);
  const body = JSON.stringify({ ...job.envelope, payload });
  return {
    ok: true,
    message: { kind: 'webhook', from: job.from, url: job.url, body },
    hash: contentHash([job.url, body]),
    used: rendered.used,
  };
}

function filled(payload: Json, take: () => string): Json {
  if (typeof payload === 'string') return take();
  if (payload === null || typeof payload !== 'object') return payload;
  if (Array.isArray(payload)) return payload.map((item) => filled(item, take));
  return Object.fromEntries(Object.entries(payload).map(([key, item]) => [key, filled(item, take)]));
}

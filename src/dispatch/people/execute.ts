/**
 * A person lets a message go: composed, gated, sent and settled by what a worker's is, in one request. Whatever was
 * stopped meanwhile stays stopped, and what was written is kept. A second time sends nothing: the gate lets a touch
 * through once, and who comes later is told what became of it.
 */
import { performance } from 'node:perf_hooks';
import type { Uuid } from '../../kernel/ids.ts';
import { Problem } from '../../kernel/problem.ts';
import { wake } from '../../ledger/wake.ts';
import type { Context } from '../../tenancy/context.ts';
import { type Composed, compose } from '../compose.ts';
import { sendAndSettle } from '../deliver.ts';
import type { Engine } from '../engine.ts';
import type { DueTouch } from '../lanes.ts';
import { openNow, passGate, readScene, type Scene } from './passage.ts';
import { asPerson, seeStep, stepRefused, whyNotNow } from './step.ts';

/** How often it is composed again because its contact, sender or a setting changed meanwhile. */
const MAX_ROUNDS = 4;
/** So long for a free connection of its sender. */
const CONNECTION_WAIT_MS = 5_000;
const LOOK_AGAIN_MS = 25;
/** Composing it at once again would find the same. */
const WAITS_FOR_TEMPLATE: ReadonlySet<string> = new Set([
  'template_paused',
  'template_unavailable',
  'template_busy',
]);

/** Sends it. @throws Problem not_found, step_refused, unavailable */
export async function sendStep(engine: Engine, ctx: Context, id: Uuid): Promise<void> {
  const person = asPerson(engine, ctx);
  for (let round = 0; round < MAX_ROUNDS; round++) {
    if (await sendOnce(person, ctx.org, id)) {
      await wake(person.db, ctx.org);
      return;
    }
  }
  throw stepRefused('stale');
}

/** False: something it was composed of has changed; compose it again. */
async function sendOnce(engine: Engine, org: Uuid, id: Uuid): Promise<boolean> {
  const planned = await readScene(engine, org, id);
  await openNow(engine, org, planned, false);
  // As it is written now: composing looks at its time again.
  const scene = await readScene(engine, org, id);
  const composed = await composeOne(engine, org, scene);
  if (composed === null) return false;
  await connectionFree(composed);
  const deadline = performance.now() + engine.limits.budget_ms;
  const { token, verdict, at } = await passGate(engine, org, scene, composed);
  if (verdict === null) return false;
  const moments = { gated: at, answered: performance.now(), deadline };
  await sendAndSettle(engine, org, token, scene.situation, [{ composed, verdict }], moments);
  return true;
}

/** Null: its time was changed under it. @throws Problem step_refused */
async function composeOne(engine: Engine, org: Uuid, { touch, situation }: Scene): Promise<Composed | null> {
  const { ready, refused, later } = await compose(engine, org, situation, [touch]);
  await engine.failpoint?.('after_compose');
  const [no] = refused;
  if (no?.outcome === 'dropped') throw await whyNotNow(engine, org, touch.id);
  // A worker would end the enrollment; a person can correct the text, or the contact, and try again.
  if (no) throw stepRefused(no.reason ?? 'refused', no.detail ?? undefined);
  const [not] = later;
  if (not && WAITS_FOR_TEMPLATE.has(not.reason)) throw stepRefused(not.reason);
  if (not) return null;
  return ready[0]!;
}

async function connectionFree({ connection }: Composed): Promise<void> {
  const until = performance.now() + CONNECTION_WAIT_MS;
  while (connection.capacity() < 1) {
    if (performance.now() > until)
      throw new Problem('unavailable', 'All connections of the sender are busy; nothing was sent');
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

/** Of one that somebody else is sending: when it has an outcome, or the time for one is over. */
export async function outcomeOf(engine: Engine, org: Uuid, id: Uuid): Promise<DueTouch> {
  const { budget_ms, call_timeout_ms } = engine.limits;
  const until = performance.now() + budget_ms + call_timeout_ms;
  for (;;) {
    const touch = await seeStep(engine, org, id);
    if (touch.state !== 'sending' || performance.now() > until) return touch;
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

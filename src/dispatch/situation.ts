/** Settings, senders and versions of the touches at hand: read once a batch. */
import { performance } from 'node:perf_hooks';
import { type Place, placeOf } from '../contacts/place.ts';
import type { Uuid } from '../kernel/ids.ts';
import { type Planning, readPlanning } from '../plan/sequences/calendar.ts';
import { flowOf } from '../plan/sequences/flow.ts';
import type { Wrote } from '../plan/sequences/free-text.ts';
import { senderIdFor } from '../plan/sequences/step-sender.ts';
import type { Draft } from '../plan/sequences/steps/draft.ts';
import type { TemplateStates } from '../plan/sequences/template-state.ts';
import { readWinners } from '../plan/sequences/variants/winners.ts';
import type { Version } from '../plan/sequences/versions.ts';
import type { Engine } from './engine.ts';
import { readWrote } from './free-text.ts';
import type { DueTouch, Opened } from './lanes.ts';
import { readDrafts } from './people/drafts.ts';
import { readTemplates } from './templates.ts';

export interface Situation {
  /** On this process's monotonic clock, before the database said `planning.now`: how old the situation is at most. */
  asked_at: number;
  planning: Planning;
  versions: Map<Uuid, Version>;
  /** What people wrote instead of the template, by touch; null where no touch is theirs. */
  drafts: ReadonlyMap<Uuid, Draft> | null;
  /** Declared winners, by step; null where no step has arms. */
  winners: ReadonlyMap<Uuid, string> | null;
  /** When the contacts of free texts last wrote; null where there is no such text. */
  wrote: Wrote | null;
  /** Whether WhatsApp templates are approved; null where no touch names one. */
  templates: TemplateStates | null;
}

/**
 * `kept`: touches that an earlier read composed and that may go with these; when they are settled their follow-ups are planned
 * too. `opened`: what was read with the lane just now, where these touches came with it.
 */
export async function readSituation(
  engine: Pick<Engine, 'db' | 'versions' | 'now'>,
  org: Uuid,
  due: readonly DueTouch[],
  kept: readonly DueTouch[] = [],
  opened: Pick<Opened, 'asked_at' | 'planning'> | null = null,
): Promise<Situation> {
  const going = kept.length === 0 ? due : [...due, ...kept];
  const versions = await engine.versions.get(
    org,
    going.map((touch) => touch.version_id),
  );
  const senders = new Set<Uuid>();
  for (const touch of going) {
    if (touch.sender_id !== null) senders.add(touch.sender_id);
    // When it is settled its next touch is planned, which may go through another.
    const version = versions.get(touch.version_id);
    if (!version) continue;
    const { steps, on_unsubscribe } = version.definition;
    // What may come next; anything further on, where this one may be passed over together with others of its channel.
    const ahead =
      on_unsubscribe === 'skip_steps'
        ? [...steps.keys()].slice(touch.step_no + 1)
        : (flowOf(version.definition).successors[touch.step_no] ?? []);
    for (const no of ahead) {
      const step = steps[no];
      const id = step && senderIdFor(version.senders, step.channel, touch.contact_id, keptBy(touch));
      if (id) senders.add(id);
    }
  }
  // A follow-up on another channel may go through one that no touch of the batch knows of.
  const known =
    opened !== null && [...senders].every((id) => opened.planning.senders.has(id)) ? opened : null;
  const asked_at = known?.asked_at ?? performance.now();
  const planning =
    known?.planning ?? (await readPlanning(engine.db, org, [...senders], engine.now?.() ?? null));
  const drafts = await readDrafts(engine.db, org, due);
  return {
    asked_at,
    planning,
    versions,
    drafts,
    winners: await readWinners(engine.db, org, versions.values()),
    wrote: await readWrote(engine.db, org, due, versions),
    templates: await readTemplates(engine.db, org, due, versions),
  };
}

/** Senders that its enrollment keeps, whatever its version says. */
export function keptBy({ kept_senders }: Pick<DueTouch, 'kept_senders'>): readonly Uuid[] {
  return kept_senders === null ? NONE : kept_senders.split(',');
}
const NONE: readonly Uuid[] = [];

/** Where its recipient may be. */
export function placeOfTouch(
  touch: Pick<DueTouch, 'contact_zone' | 'phone' | 'whatsapp'>,
  planning: Pick<Planning, 'organization'>,
): Place {
  return placeOf(
    { time_zone: touch.contact_zone, phone: touch.phone ?? touch.whatsapp },
    planning.organization.time_zone,
  );
}

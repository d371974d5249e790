/**
 * What the contacts of free texts over WhatsApp wrote, read only where a batch has such a text. Whether one may go is found
 * before the provider is called, because it would take the one for nothing and ban a number for the other.
 */
import type { Uuid } from '../kernel/ids.ts';
import { mayBeFreeText, type Wrote } from '../plan/sequences/free-text.ts';
import type { Version } from '../plan/sequences/versions.ts';
import { readLastMessages } from '../records/last-messages.ts';
import type { Engine } from './engine.ts';
import type { DueTouch } from './lanes.ts';

/** Null where no touch is such a text. */
export async function readWrote(
  db: Engine['db'],
  org: Uuid,
  due: readonly DueTouch[],
  versions: ReadonlyMap<Uuid, Version>,
): Promise<Wrote | null> {
  // Every batch of a worker comes here.
  const asked = due.filter(({ channel, version_id, step_no }) => {
    if (channel !== 'whatsapp' && channel !== 'whatsapp_lite') return false;
    const step = versions.get(version_id)?.definition.steps[step_no];
    return step === undefined || mayBeFreeText(step);
  });
  if (asked.length === 0) return null;
  return readLastMessages(
    db,
    org,
    asked.map((touch) => touch.contact_id),
  );
}

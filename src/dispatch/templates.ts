/**
 * Whether the WhatsApp templates of a batch are approved, as their senders' accounts had them last; read only where a
 * batch has such a step. Found before the provider is called: it would refuse each message for good.
 */
import type { Uuid } from '../kernel/ids.ts';
import { byTemplate, type TemplateStates, templatesOf } from '../plan/sequences/template-state.ts';
import type { Version } from '../plan/sequences/versions.ts';
import { type TemplateState, templateStates } from '../senders/templates.ts';
import type { Engine } from './engine.ts';
import type { DueTouch } from './lanes.ts';

/** Null where no touch is such a step. */
export async function readTemplates(
  db: Engine['db'],
  org: Uuid,
  due: readonly DueTouch[],
  versions: ReadonlyMap<Uuid, Version>,
): Promise<TemplateStates | null> {
  // Every batch of a worker comes here.
  const asked = new Map<string, Pick<TemplateState, 'sender_id' | 'name' | 'language'>>();
  for (const { channel, version_id, step_no, sender_id } of due) {
    if (channel !== 'whatsapp' || sender_id === null) continue;
    const step = versions.get(version_id)?.definition.steps[step_no];
    if (step === undefined) continue;
    // A batch is nearly always of few steps, and a step of few templates.
    for (const template of templatesOf(step))
      asked.set(`${sender_id} ${template.name} ${template.language}`, { sender_id, ...template });
  }
  return asked.size === 0 ? null : byTemplate(await templateStates(db, org, [...asked.values()]));
}

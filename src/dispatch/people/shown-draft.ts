/** The text of steps that people do, as it would go now: theirs where they wrote one, else the template with its values. */
import type { Refused } from '../../content/render.ts';
import { byGroup } from '../../kernel/batch.ts';
import { isSenderChannel } from '../../kernel/channels.ts';
import type { Uuid } from '../../kernel/ids.ts';
import type { Message, TemplateValues } from '../../kernel/message.ts';
import type { DraftSource, DraftText } from '../../plan/sequences/steps/draft.ts';
import type { Note, StepInput, StepKind } from '../../plan/sequences/steps/step-kind.ts';
import { STEP_KINDS } from '../../plan/sequences/steps/step-kinds.ts';
import { inputOf } from '../compose.ts';
import type { Engine } from '../engine.ts';
import type { DueTouch } from '../lanes.ts';
import type { Situation } from '../situation.ts';

export interface ShownDraft extends DraftText {
  source: 'template' | DraftSource;
  drafted_at: Date | null;
  /** WhatsApp: the approved template and what fills it, which nobody may change. */
  template: { name: string; language: string; body: TemplateValues } | null;
  /** Why it cannot go as it is. */
  problem: { code: string; detail: string } | null;
}

type Text = Pick<ShownDraft, 'subject' | 'text' | 'html' | 'template' | 'problem'>;

const NOTHING: Text = { subject: null, text: null, html: null, template: null, problem: null };

/** In the order of the touches. */
export async function showDrafts(
  engine: Pick<Engine, 'unsubscribeUrl'>,
  org: Uuid,
  situation: Situation,
  touches: readonly DueTouch[],
): Promise<ShownDraft[]> {
  const texts = await byGroup(
    touches,
    (touch) => kindOf(situation, touch),
    async (kind, group) =>
      kind === null
        ? group.map(() => without('no_sender', 'Its sender or its version no longer exists'))
        : render(
            kind,
            group.map((touch) => textInput(engine, org, situation, touch)),
          ),
  );
  return texts.map((text, i) => {
    const draft = situation.drafts?.get(touches[i]!.id);
    return { ...text, source: draft?.source ?? 'template', drafted_at: draft?.at ?? null };
  });
}

function kindOf({ planning, versions }: Situation, touch: DueTouch): StepKind | null {
  if (!versions.has(touch.version_id)) return null;
  const sent = isSenderChannel(touch.channel);
  return sent && !planning.senders.has(touch.sender_id ?? '') ? null : STEP_KINDS[touch.channel];
}

function textInput(
  engine: Pick<Engine, 'unsubscribeUrl'>,
  org: Uuid,
  situation: Situation,
  touch: DueTouch,
): StepInput {
  const version = situation.versions.get(touch.version_id)!;
  const sender = situation.planning.senders.get(touch.sender_id ?? '') ?? null;
  return inputOf(engine, org, situation, { touch, version, sender });
}

async function render(kind: StepKind, inputs: readonly StepInput[]): Promise<Text[]> {
  if (kind.draft) return (await kind.draft(inputs)).map((one) => (one.ok ? textOf(one) : refused(one)));
  const composed = await kind.compose(inputs);
  return composed.map((one) => (one.ok ? messageText(one.message) : refused(one)));
}

function textOf({ subject, text, html }: DraftText): Text {
  return { ...NOTHING, subject, text, html };
}

function messageText(message: Message | Note): Text {
  if (message.kind === 'whatsapp_template') {
    const { name, language, body } = message.template;
    return { ...NOTHING, template: { name, language, body } };
  }
  return { ...NOTHING, text: 'text' in message ? message.text : message.body };
}

function without(code: string, detail: string): Text {
  return { ...NOTHING, problem: { code, detail } };
}

function refused({ reason, detail }: Refused): Text {
  return without(reason, detail);
}

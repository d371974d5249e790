/** WhatsApp: an approved template with its placeholders mapped [EXE-11]; a person may also write a text of their own. */
import { composeWhatsapp } from '../../../content/compose-whatsapp.ts';
import { keyed } from '../../../content/content-hash.ts';
import type { Composition } from '../../../content/render.ts';
import { mappingProblems, sourcesOf } from '../../../content/whatsapp-template.ts';
import { byGroup } from '../../../kernel/batch.ts';
import type { WhatsappTemplateMessage, WhatsappTextMessage } from '../../../kernel/message.ts';
import type { Step } from '../definition.ts';
import {
  checkSource,
  isBlank,
  perStep,
  type StepCheck,
  type StepInput,
  type StepKind,
  varsOf,
} from './step-kind.ts';
import { checkText, whatsappTexts } from './text.ts';

type WhatsappMessage = WhatsappTemplateMessage | WhatsappTextMessage;

export const whatsappStep: StepKind<WhatsappMessage> = { check, compose };

const templateOf = perStep((step) => keyed('whatsapp', step.template!));

function compose(batch: readonly StepInput[]): Promise<Composition<WhatsappMessage>[]> {
  return byGroup<StepInput, boolean, Composition<WhatsappMessage>>(
    batch,
    ({ step }) => step.template !== undefined,
    (templated, group) => (templated ? composeWhatsapp(group.map(jobOf)) : whatsappTexts(group)),
  );
}

function jobOf(input: StepInput) {
  const { step, sender, recipient } = input;
  return {
    template: templateOf(step),
    vars: varsOf(input),
    from: sender!.from_address,
    to: recipient.whatsapp!,
  };
}

function check(step: Step, where: StepCheck): void {
  const { template } = step;
  if (template === undefined) {
    if (step.mode === 'human' && !isBlank(step.body_text)) {
      checkText(step, where);
      return;
    }
    const message =
      'A WhatsApp step needs an approved template; free text is for people who answer within 24 hours';
    where.report('template', 'no_template', message);
    return;
  }
  for (const { field, code, message } of [
    ...mappingProblems(template),
    ...(where.approved?.(template) ?? []),
  ])
    where.report(`template.${field}`, code, message);
  for (const { field, source } of sourcesOf(template))
    checkSource(step.channel, where, { field: `template.${field}`, source, kind: 'subject' });
}

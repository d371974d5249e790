/** WhatsApp: an approved template with its placeholders mapped [EXE-11]; a person may also write a text of their own. */
import { composeWhatsapp, isHttpsLink, valueTooLong } from '../../../content/compose-whatsapp.ts';
import { keyed } from '../../../content/content-hash.ts';
import { beginning } from '../../../content/fixed-text.ts';
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
import { checkWhatsappText, whatsappTexts } from './text.ts';

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
      checkWhatsappText(step, where);
      return;
    }
    const message =
      'A WhatsApp step needs an approved template; free text is for people who answer within 24 hours';
    where.report('template', 'no_template', message);
    return;
  }
  if (!isBlank(step.body_text))
    where.report(
      'body_text',
      'beside_template',
      'What is sent is the approved template: leave body_text out, or the template where a person answers',
    );
  for (const { field, code, message } of [
    ...mappingProblems(template),
    ...(where.approved?.(template) ?? []),
  ])
    where.report(`template.${field}`, code, message);
  for (const { field, source } of sourcesOf(template)) {
    const fits = (text: string) => {
      const problem = valueTooLong(template, field, text);
      return problem && `it has ${problem}: shorten it`;
    };
    const at = `template.${field}`;
    const sound = checkSource(step.channel, where, { field: at, source, kind: 'subject', fits });
    if (sound && field === 'header.link') checkLink(source, at, where.report);
  }
}

/** What stands there before the first value decides; what begins with a value is looked at when it goes. */
function checkLink(source: string, field: string, report: StepCheck['report']): void {
  const { text, whole } = beginning(source.trimStart());
  const https = 'https://';
  const wrong = whole
    ? !isHttpsLink(text.trim())
    : !https.startsWith(text.slice(0, https.length).toLowerCase());
  if (wrong)
    report(field, 'no_https_link', 'WhatsApp fetches the file from a link that begins with https://');
}

/** The channels of a sequence: the one table by which a step is checked, previewed and composed. */
import type { Channel, SenderChannel } from '../../../kernel/channels.ts';
import type { Message } from '../../../kernel/message.ts';
import { emailStep } from './email.ts';
import type { Note, StepKind } from './step-kind.ts';
import { noteStep, smsStep, telegramStep, whatsappLiteStep } from './text.ts';
import { waitStep } from './wait.ts';
import { webhookStep } from './webhook.ts';
import { whatsappStep } from './whatsapp.ts';

/** What a worker may send, and what only people do. */
type KindOf<C extends Channel> = StepKind<C extends SenderChannel ? Message : Note>;

export const STEP_KINDS: { readonly [C in Channel]: KindOf<C> } = {
  email: emailStep,
  sms: smsStep,
  whatsapp: whatsappStep,
  whatsapp_lite: whatsappLiteStep,
  telegram: telegramStep,
  webhook: webhookStep,
  call: noteStep,
  linkedin: noteStep,
  task: noteStep,
  wait: waitStep,
};

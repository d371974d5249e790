/**
 * What goes to a provider: composed, plain data, no template left in it. Content makes these and adapters send them;
 * neither knows the other, so what they share lies here.
 */
export interface NamedAddress {
  name?: string;
  address: string;
}

export interface EmailMessage {
  kind: 'email';
  from: NamedAddress;
  to: NamedAddress;
  reply_to?: NamedAddress;
  subject: string;
  text: string;
  html?: string;
  /** Without angle brackets, e.g. `0190….1@mail.example.com`. */
  message_id: string;
  in_reply_to?: string;
  references?: string[];
  /** List-Unsubscribe, List-Unsubscribe-Post, Feedback-ID and the like; no CR or LF in any value. */
  headers: Record<string, string>;
}

export interface SmsMessage {
  kind: 'sms';
  /** Both E.164. */
  from: string;
  to: string;
  text: string;
  encoding: 'gsm7' | 'ucs2';
  /** What the carrier counts and bills. */
  segments: number;
}

/** Values of a template's placeholders: by position, or by name, never both. */
export type TemplateValues = string[] | Record<string, string>;

export type TemplateHeader =
  | { type: 'text'; values: TemplateValues }
  | { type: 'image' | 'video' | 'document'; link: string; filename?: string };

export interface TemplateButton {
  /** Position of the button in the template, from 0. */
  index: number;
  type: 'url' | 'quick_reply' | 'copy_code';
  value: string;
}

/** One that the provider has approved, with its placeholders filled. */
export interface WhatsappTemplateMessage {
  kind: 'whatsapp_template';
  from: string;
  to: string;
  template: {
    name: string;
    /** `en`, `pt_BR`. */
    language: string;
    header?: TemplateHeader;
    body: TemplateValues;
    buttons: TemplateButton[];
  };
}

export interface WhatsappTextMessage {
  kind: 'whatsapp_text';
  from: string;
  to: string;
  text: string;
}

export interface TelegramMessage {
  kind: 'telegram';
  /** The bot's name. */
  from: string;
  /** The chat, as the contact's address names it. */
  to: string;
  text: string;
}

/** A request to somebody's own system. */
export interface WebhookMessage {
  kind: 'webhook';
  from: string;
  url: string;
  /** JSON. */
  body: string;
}

export type Message =
  | EmailMessage
  | SmsMessage
  | WhatsappTemplateMessage
  | WhatsappTextMessage
  | TelegramMessage
  | WebhookMessage;

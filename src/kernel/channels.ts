/**
 * The channels: the one list. Types, the API's enums, the database's constraints (a test compares them) and what
 * contacts/channel.sql answers are this table.
 *
 * by:       `program`: a worker may send it, through a sender. `person`: people do it themselves; it has no sender.
 *           `nobody`: nothing goes anywhere; a wait or a decision, which a worker looks at.
 * writes_to: the address of the contact it needs; null: none.
 * suppressed_as: the kind of address that a suppression stops it by; null: none can.
 * consent:  the channel of the consent ledger that covers it; null: nobody is written to.
 */
export const ADDRESS_KINDS = ['email', 'phone', 'whatsapp', 'linkedin', 'telegram'] as const;
export type AddressKind = (typeof ADDRESS_KINDS)[number];

export const SUPPRESSION_KINDS = [
  'email',
  'phone',
  'whatsapp',
  'telegram',
] as const satisfies readonly AddressKind[];
export type SuppressionKind = (typeof SUPPRESSION_KINDS)[number];

export const CONSENT_CHANNELS = ['email', 'sms', 'whatsapp', 'call', 'linkedin', 'telegram'] as const;
export type ConsentChannel = (typeof CONSENT_CHANNELS)[number];

interface ChannelFacts {
  by: 'program' | 'person' | 'nobody';
  writes_to: AddressKind | null;
  suppressed_as: SuppressionKind | null;
  consent: ConsentChannel | null;
}

export const CHANNELS = {
  email: { by: 'program', writes_to: 'email', suppressed_as: 'email', consent: 'email' },
  sms: { by: 'program', writes_to: 'phone', suppressed_as: 'phone', consent: 'sms' },
  whatsapp: { by: 'program', writes_to: 'whatsapp', suppressed_as: 'whatsapp', consent: 'whatsapp' },
  whatsapp_lite: { by: 'program', writes_to: 'whatsapp', suppressed_as: 'whatsapp', consent: 'whatsapp' },
  telegram: { by: 'program', writes_to: 'telegram', suppressed_as: 'telegram', consent: 'telegram' },
  webhook: { by: 'program', writes_to: null, suppressed_as: null, consent: null },
  call: { by: 'person', writes_to: 'phone', suppressed_as: 'phone', consent: 'call' },
  linkedin: { by: 'person', writes_to: 'linkedin', suppressed_as: null, consent: 'linkedin' },
  task: { by: 'person', writes_to: null, suppressed_as: null, consent: null },
  wait: { by: 'nobody', writes_to: null, suppressed_as: null, consent: null },
} as const satisfies Record<string, ChannelFacts>;

export type Channel = keyof typeof CHANNELS;

/** Those that a worker may send through a sender. */
export type SenderChannel = {
  [C in Channel]: (typeof CHANNELS)[C]['by'] extends 'program' ? C : never;
}[Channel];

export const CHANNEL_NAMES = Object.keys(CHANNELS) as [Channel, ...Channel[]];
export const SENDER_CHANNELS = CHANNEL_NAMES.filter(isSenderChannel) as [SenderChannel, ...SenderChannel[]];

/** Those over which something happens, and which can be switched off. */
export type OutreachChannel = Exclude<Channel, 'wait'>;
export const OUTREACH_CHANNELS = CHANNEL_NAMES.filter((name) => name !== 'wait') as [
  OutreachChannel,
  ...OutreachChannel[],
];

export function isSenderChannel(channel: Channel): channel is SenderChannel {
  return CHANNELS[channel].by === 'program';
}

export const MODES = ['automatic', 'human'] as const;
/** Who carries a step out: a worker by itself, or a person who looks at it first or does it. */
export type Mode = (typeof MODES)[number];

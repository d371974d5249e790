/**
 * What an event that comes back from a message says in its properties, as the reactions read it. In: properties as they
 * were told. Out: the same with their words in lower case, or why they cannot be read: a misspelt channel would stop the
 * wrong one and leave the right one open [INB-4].
 */
import { CHANNELS } from '../kernel/channels.ts';
import { isAutoReply } from './auto-reply.ts';
import type { Properties } from './properties.ts';

/** Of an event that says of an address that nothing more may go there, the channel decides which address. */
const NAMING_CHANNEL = new Set(['bounced', 'complained', 'unsubscribed']);
const PERMANENCES = ['hard', 'soft'];

type MessageRefusal = 'unknown_channel' | 'unknown_permanence';

/** What is absent stays so and keeps its meaning; of any other event nothing is looked at. */
export function readMessageProperties(name: string, properties: Properties): Properties | MessageRefusal {
  if (name === 'message_received') return withAutoReply(properties);
  if (!NAMING_CHANNEL.has(name)) return properties;
  const read = { ...properties };
  if (read.channel !== undefined) {
    read.channel = folded(read.channel);
    if (typeof read.channel !== 'string' || !Object.hasOwn(CHANNELS, read.channel)) return 'unknown_channel';
  }
  if (name === 'bounced' && read.permanence !== undefined) {
    read.permanence = folded(read.permanence);
    if (!PERMANENCES.some((one) => one === read.permanence)) return 'unknown_permanence';
  }
  return read;
}

/** The headers themselves are a person's: what they say is kept, they are not. */
function withAutoReply(properties: Properties): Properties {
  const { headers, ...rest } = properties;
  if (typeof headers !== 'object' || headers === null) return properties;
  const told = typeof rest.auto_reply === 'boolean';
  return !told && isAutoReply(headers as Record<string, unknown>) ? { ...rest, auto_reply: true } : rest;
}

function folded(value: unknown): unknown {
  return typeof value === 'string' ? value.trim().toLowerCase() : value;
}

/** The id of a message as the gateway's engines write it: alone, within `true_<chat>_<id>`, or under `key`. Pure. */
import { text } from '../http/json.ts';

export function messageIdIn(message: unknown): string | undefined {
  const written = text(message, 'id') ?? text(message, 'id', '_serialized') ?? text(message, 'key', 'id');
  const id = written?.split('_')[written.startsWith('true_') || written.startsWith('false_') ? 2 : 0];
  return id !== undefined && /^[A-Za-z0-9.-]{8,64}$/.test(id) ? id : undefined;
}

/**
 * A sender's configuration in its two parts [TEN-8]: what may be seen lies in `senders.config`, the provider's secret
 * fields lie sealed in `senders.secret`. What is kept is what was given, not what the adapter makes of it: its
 * defaults are filled in at each use.
 */
import type { Uuid } from '../kernel/ids.ts';
import type { FieldError } from '../kernel/problem.ts';
import type { Place, Secrets } from '../tenancy/secrets.ts';
import type { SenderProvider } from './provider.ts';

export type ConfigValues = Record<string, unknown>;

export interface SealedConfig {
  config: ConfigValues;
  /** null: the configuration has no secret. */
  secret: Buffer | null;
}

export function placeOf(org: Uuid, sender: Uuid): Place {
  return { org, table: 'senders', id: sender, field: 'secret' };
}

/** The whole configuration, for the adapter alone: never into an answer or a log. @throws SecretUnreadable */
export function decryptedConfig(
  secrets: Secrets,
  org: Uuid,
  sender: { id: Uuid; config: ConfigValues; secret: Buffer | null },
): ConfigValues {
  if (sender.secret === null) return sender.config;
  const values = JSON.parse(secrets.open(sender.secret, placeOf(org, sender.id))) as ConfigValues;
  let whole = sender.config;
  for (const [field, value] of Object.entries(values)) whole = withValue(whole, field.split('.'), value);
  return whole;
}

/** Splits the provider's secret fields off and seals them for this sender's row. */
export function sealedConfig(
  secrets: Secrets,
  org: Uuid,
  sender: Uuid,
  whole: ConfigValues,
  fields: readonly string[],
): SealedConfig {
  const hidden = fields.flatMap((field) => {
    const value = valueAt(whole, field.split('.'));
    return value === undefined ? [] : [[field, value] as const];
  });
  let config = whole;
  for (const [field] of hidden) config = withValue(config, field.split('.'), undefined);
  const secret =
    hidden.length === 0
      ? null
      : secrets.seal(JSON.stringify(Object.fromEntries(hidden)), placeOf(org, sender));
  return { config, secret };
}

/** What the adapter finds wrong, with no word of the values themselves. */
export function configErrors(provider: SenderProvider, whole: ConfigValues): FieldError[] {
  try {
    provider.config.parse(whole);
    return [];
  } catch (error) {
    const { issues } = error as { issues?: { code: string; path: PropertyKey[]; message: string }[] };
    if (!Array.isArray(issues)) throw error;
    return issues.map(({ code, path, message }) => ({
      field: ['config', ...path.map(String)].join('.'),
      code,
      message,
    }));
  }
}

/** A JSON merge patch (RFC 7396): only what is named changes, null takes a field away. */
export function mergedConfig(base: ConfigValues, patch: ConfigValues): ConfigValues {
  const next = new Map(Object.entries(base));
  for (const [key, value] of Object.entries(patch)) {
    const before = next.get(key);
    if (value === null) next.delete(key);
    else if (isObject(value)) next.set(key, mergedConfig(isObject(before) ? before : {}, value));
    else next.set(key, value);
  }
  return Object.fromEntries(next);
}

/** Takes the secret values out of a text that a server wrote: it may say back what it was told. */
export function withoutSecrets(text: string, whole: ConfigValues, fields: readonly string[]): string {
  let clean = text;
  for (const field of fields) {
    const value = valueAt(whole, field.split('.'));
    if (typeof value === 'string' && value !== '') clean = clean.replaceAll(value, '[secret]');
  }
  return clean;
}

function isObject(value: unknown): value is ConfigValues {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function valueAt(values: ConfigValues, path: readonly string[]): unknown {
  let at: unknown = values;
  for (const key of path) {
    if (!isObject(at) || !Object.hasOwn(at, key)) return undefined;
    at = at[key];
  }
  return at;
}

/** A copy with the value at the path; undefined takes it away. */
function withValue(values: ConfigValues, path: readonly string[], value: unknown): ConfigValues {
  const [key, ...rest] = path as [string, ...string[]];
  const next = new Map(Object.entries(values));
  const inner = next.get(key);
  if (rest.length > 0) next.set(key, withValue(isObject(inner) ? inner : {}, rest, value));
  else if (value === undefined) next.delete(key);
  else next.set(key, value);
  return Object.fromEntries(next);
}

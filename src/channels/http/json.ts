/** Reading what a provider wrote: its JSON is data from outside, so nothing of its shape is taken for granted. */

export type Json = Record<string, unknown>;

/** The object, or null when the text is something else. */
export function jsonObject(text: string): Json | null {
  const value = jsonValue(text);
  return isObject(value) ? value : null;
}

/** Undefined when the text is no JSON. */
export function jsonValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value at a path of keys; undefined where it ends. */
export function at(value: unknown, ...path: (string | number)[]): unknown {
  let here: unknown = value;
  for (const key of path) {
    if (Array.isArray(here) && typeof key === 'number') here = here[key];
    else if (isObject(here) && Object.hasOwn(here, String(key))) here = here[String(key)];
    else return undefined;
  }
  return here;
}

/** A text that is not empty, or undefined. */
export function text(value: unknown, ...path: (string | number)[]): string | undefined {
  const found = at(value, ...path);
  return typeof found === 'string' && found !== '' ? found : undefined;
}

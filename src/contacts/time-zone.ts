/** Time zones of contacts as people write them: IANA names. */
import { cleanText, ownText } from './clean-text.ts';

/** Names seen before with their canonical spelling; null when they are no zones. Bounded: input is not ours. */
const known = new Map<string, string | null>();
const MAX_KNOWN = 2_000;

/** The zone's name as IANA writes it, or null. Offsets such as `+02:00` are not zones: they know no summer time. */
export function normalizeTimeZone(text: string): string | null {
  const name = cleanText(text);
  const before = known.get(name);
  if (before !== undefined) return before;
  const own = ownText(name);
  const zone = lookUp(own);
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(own, zone);
  return zone;
}

function lookUp(name: string): string | null {
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{1,63}$/.test(name)) return null;
  try {
    // The engine may answer with another name for the same zone (Asia/Calcutta for Asia/Kolkata): keep the given one.
    new Intl.DateTimeFormat('en', { timeZone: name });
  } catch {
    return null;
  }
  return /^(?:[A-Z][a-z]|UTC$|GMT$|EST|CST|MST|PST)/.test(name) ? name : spelling(name);
}

/** `europe/berlin` → `Europe/Berlin`; as the engine says where that is the same but for its case. */
function spelling(name: string): string {
  const resolved = new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone;
  if (resolved.toLowerCase() === name.toLowerCase()) return resolved;
  const canonical = Intl.supportedValuesOf('timeZone').find(
    (zone) => zone.toLowerCase() === name.toLowerCase(),
  );
  return canonical ?? resolved;
}

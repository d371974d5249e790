/**
 * How a carrier cuts a text message up, and so what it costs: pure. GSM 03.38's 7-bit alphabet where every character is
 * in it (160 septets alone, 153 in each of several), else UCS-2 (70 code units alone, 67 each). 3GPP TS 23.038, 23.040.
 */
export interface SmsSize {
  encoding: 'gsm7' | 'ucs2';
  /** Septets, or UTF-16 code units. */
  units: number;
  segments: number;
}

const BASIC = new Set(
  '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà',
);
/** Each is an escape and a character: two septets that no segment's end may part. */
const EXTENSION = new Set('\f^{}\\[~]|€');

export function sizeOfSms(text: string): SmsSize {
  const characters = [...text];
  const septets = characters.map((character) =>
    BASIC.has(character) ? 1 : EXTENSION.has(character) ? 2 : 0,
  );
  return septets.includes(0)
    ? {
        encoding: 'ucs2',
        ...fill(
          characters.map((character) => character.length),
          70,
          67,
        ),
      }
    : { encoding: 'gsm7', ...fill(septets, 160, 153) };
}

/** `pieces`: the units of each character, none of which may be parted. An empty text is one empty segment. */
function fill(pieces: readonly number[], alone: number, each: number): { units: number; segments: number } {
  const units = pieces.reduce((sum, piece) => sum + piece, 0);
  if (units <= alone) return { units, segments: 1 };
  let segments = 1;
  let used = 0;
  for (const piece of pieces) {
    if (used + piece > each) {
      segments += 1;
      used = 0;
    }
    used += piece;
  }
  return { units, segments };
}

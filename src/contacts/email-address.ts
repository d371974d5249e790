/**
 * E-mail addresses. One canonical form, because it is the identity of a contact and the key of a suppression:
 * trimmed, lower-cased, an international domain in its ASCII form (so `bücher.de` and `xn--bcher-kva.de` are one).
 */
import { domainToASCII } from 'node:url';
import { cleanText } from './clean-text.ts';

/** RFC 5321 §4.5.3.1: 64 octets before the @, 254 in all (erratum 1690). */
const MAX_LOCAL_OCTETS = 64;
const MAX_OCTETS = 254;

const PLAIN =
  /^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?:[a-z]{2,63}|xn--[a-z0-9-]{1,58}[a-z0-9])$/;
// RFC 6531 lets any character beyond ASCII stand before the @; blanks and controls of Unicode stay out.
const INTERNATIONAL_LOCAL =
  /^[\p{L}\p{N}\p{M}!#$%&'*+/=?^_`{|}~-]+(?:\.[\p{L}\p{N}\p{M}!#$%&'*+/=?^_`{|}~-]+)*$/u;

// biome-ignore lint/suspicious/noControlCharactersInRegex: the range is what "beyond ASCII" means
const BEYOND_ASCII = /[^\x00-\x7f]/;

/** The canonical address, or null when it cannot be one. Quoted local parts and address literals are refused. */
export function normalizeEmail(text: string): string | null {
  const address = cleanText(text).toLowerCase();
  if (!BEYOND_ASCII.test(address)) {
    const fitting = address.length <= MAX_OCTETS && address.lastIndexOf('@') <= MAX_LOCAL_OCTETS;
    return fitting && PLAIN.test(address) ? address : null;
  }
  const at = address.lastIndexOf('@');
  const local = address.slice(0, at);
  if (at < 1 || !INTERNATIONAL_LOCAL.test(local)) return null;
  const domain = domainToASCII(address.slice(at + 1));
  const whole = `${local}@${domain}`;
  return fits(whole) && PLAIN.test(`x@${domain}`) ? whole : null;
}

function fits(address: string): boolean {
  if (address.length > MAX_OCTETS || Buffer.byteLength(address) > MAX_OCTETS) return false;
  const local = address.slice(0, address.lastIndexOf('@'));
  return local.length <= MAX_LOCAL_OCTETS && Buffer.byteLength(local) <= MAX_LOCAL_OCTETS;
}

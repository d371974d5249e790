/**
 * Addresses on the wire. The domain goes out as punycode, which every server takes; a local part beyond ASCII
 * stays as it is and needs a server with SMTPUTF8 (RFC 6531).
 */
import { domainToASCII } from 'node:url';

/** RFC 5321 4.5.3.1.3: a path is 256 octets with its brackets. */
const MAX_ADDRESS_BYTES = 254;
const MAX_LOCAL_BYTES = 64;

// Control characters, blanks, brackets and separators would change what a header or command means. A quoted
// local part could carry some of them; nobody's mailbox does, so it is refused with the rest.
const FORBIDDEN = /[\p{Cc}\p{Z}<>()[\],;:"\\]/u;

export interface WireAddress {
  address: string;
  /** The local part is beyond ASCII: only a server that announces SMTPUTF8 may be given it. */
  needs_smtputf8: boolean;
}

/** The address in the form commands and headers carry it, or null when it cannot be one. */
export function wireAddress(address: string): WireAddress | null {
  const at = address.lastIndexOf('@');
  if (at < 1 || at === address.length - 1) return null;
  const local = address.slice(0, at);
  const domain = domainToASCII(address.slice(at + 1));
  if (domain === '' || local.includes('@') || FORBIDDEN.test(address)) return null;
  const wire = `${local}@${domain}`;
  if (Buffer.byteLength(wire) > MAX_ADDRESS_BYTES || Buffer.byteLength(local) > MAX_LOCAL_BYTES) return null;
  return { address: wire, needs_smtputf8: /[^ -~]/.test(local) };
}

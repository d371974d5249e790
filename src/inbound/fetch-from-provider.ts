/** The few addresses that a provider's call may have us get: its adapter has checked that they are the provider's own. */
import { Problem } from '../kernel/problem.ts';

const LIMIT_MS = 5_000;
const MAX_BYTES = 64 * 1024;

export type Fetch = (url: string) => Promise<string>;

/** @throws unavailable: the provider repeats its call */
export const fetchFromProvider: Fetch = async (url) => {
  try {
    const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(LIMIT_MS) });
    const bytes = await response.arrayBuffer();
    if (!response.ok || bytes.byteLength > MAX_BYTES) throw new Error(`it answered ${response.status}`);
    return new TextDecoder().decode(bytes);
  } catch (cause) {
    throw new Problem('unavailable', 'The provider could not be asked', { cause });
  }
};

/** A progress bar on standard error: in a terminal only, and not with `--json`. */
import type { Call } from './command.ts';

const WIDTH = 30;
const EVERY_MS = 100;

export interface ProgressBar {
  /** `share` from 0 to 1. */
  show(share: number, text: string): void;
  end(): void;
}

export function progressBar(call: Pick<Call, 'json'>): ProgressBar {
  if (call.json || !process.stderr.isTTY) return { show: () => undefined, end: () => undefined };
  let last = 0;
  let shown = false;
  return {
    show(share, text) {
      const now = performance.now();
      if (shown && share < 1 && now - last < EVERY_MS) return;
      last = now;
      shown = true;
      const full = Math.round(Math.min(1, share) * WIDTH);
      const bar = '█'.repeat(full) + '░'.repeat(WIDTH - full);
      process.stderr.write(`\r${bar} ${Math.floor(share * 100)} %  ${text}\u001b[K`);
    },
    end() {
      if (shown) process.stderr.write('\r\u001b[K');
    },
  };
}

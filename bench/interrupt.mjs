/**
 * Ctrl-C and SIGTERM: the measured processes are killed, which ends whatever waits for them, and the run closes its
 * servers and removes their data on its ordinary way out. A second signal exits at once.
 */
const kills = new Set();
let interrupted = false;

/** @param {() => void} kill called at an interrupt, or when this process exits @returns {() => void} forgets it */
export function killAtInterrupt(kill) {
  if (interrupted) {
    kill();
    throw new Error('interrupted');
  }
  kills.add(kill);
  return () => kills.delete(kill);
}

export const isInterrupted = () => interrupted;

export function listenForInterrupts() {
  const killAll = () => {
    for (const kill of kills) kill();
  };
  process.once('exit', killAll);
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ]) {
    process.on(signal, () => {
      if (interrupted) process.exit(code);
      interrupted = true;
      process.exitCode = code;
      killAll();
    });
  }
}

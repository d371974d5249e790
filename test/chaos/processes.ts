/** The processes of a run: started, killed, frozen, started again. Each is ended by its own id. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface Command {
  name: string;
  args: string[];
  env: Record<string, string>;
}

export interface Managed {
  readonly name: string;
  readonly starts: number;
  /**
   * SIGKILL; it is started again at once. False: it was killed before it ran the last time, and has not told yet that it
   * runs. On a slow machine it never would.
   */
  kill(): boolean;
  /** SIGSTOP, and SIGCONT after so long. False: it is frozen or down already. */
  freeze(ms: number): boolean;
  thaw(): void;
  /** Until it ends; SIGTERM, then SIGKILL. */
  stop(): Promise<void>;
}

const RESTART_MS = 100;
const STOP_MS = 10_000;

/** A process that is started again whenever it ends, until it is stopped. */
export function keepRunning(dir: string, command: Command): Managed {
  const log = createWriteStream(join(dir, `${command.name}.log`), { flags: 'a' });
  let child = start(command, log);
  let thawing: NodeJS.Timeout | null = null;
  let restarting: NodeJS.Timeout | null = null;
  let stopping = false;
  let starts = 1;
  /** Killed before it ran. */
  let nipped = false;
  const thaw = () => {
    if (thawing === null) return;
    clearTimeout(thawing);
    thawing = null;
    child.kill('SIGCONT');
  };
  const watch = () => {
    child.once('exit', () => {
      if (thawing !== null) clearTimeout(thawing);
      thawing = null;
      if (stopping) return;
      restarting = setTimeout(() => {
        child = start(command, log);
        starts++;
        watch();
      }, RESTART_MS);
    });
  };
  watch();
  return {
    name: command.name,
    get starts() {
      return starts;
    },
    kill() {
      const runs = RUNNING.has(child);
      if (!runs && nipped) return false;
      nipped = !runs;
      child.kill('SIGKILL');
      return true;
    },
    freeze(ms) {
      if (thawing !== null || child.exitCode !== null || child.signalCode !== null) return false;
      child.kill('SIGSTOP');
      thawing = setTimeout(thaw, ms);
      return true;
    },
    thaw,
    async stop() {
      stopping = true;
      thaw();
      if (restarting) clearTimeout(restarting);
      await end(child);
      log.end();
    },
  };
}

/** Their first words say that they run. */
const RUNNING = new WeakSet<ChildProcess>();

function start({ args, env }: Command, log: WriteStream): ChildProcess {
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout!.once('data', () => RUNNING.add(child));
  child.stdout!.pipe(log, { end: false });
  child.stderr!.pipe(log, { end: false });
  child.once('exit', (code, signal) => log.write(`-- ended: ${signal ?? code}\n`));
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await gone;
  clearTimeout(timer);
}

/** Starts a process that says in its first line, in JSON, where it can be reached. */
export async function startTelling<T>(args: string[]): Promise<{ told: T; stop(): Promise<void> }> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const output = createInterface({ input: child.stdout! });
  const told = await new Promise<T>((resolve, reject) => {
    output.once('line', (line) => resolve(JSON.parse(line)));
    child.once('exit', (code) => reject(new Error(`${args[0]} ended with ${code}`)));
  });
  return { told, stop: () => end(child) };
}

/** Runs a command to its end; its last line of output is JSON. */
export async function runForJson(
  args: string[],
  env: Record<string, string>,
): Promise<Record<string, unknown>> {
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout!.on('data', (chunk: Buffer) => {
    text += chunk;
  });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${text}`);
  return JSON.parse(text.trim().split('\n').at(-1)!);
}

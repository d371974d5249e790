/** A program of the project in a process of its own. Of a TypeScript file the types are stripped on the way in. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach } from 'vitest';

const ROOT = new URL('../../', import.meta.url);
const LOADER = new URL('scripts/generate/load-typescript.mjs', ROOT).href;

export interface Child {
  process: ChildProcess;
  /** The next line it prints, as JSON. */
  line(): Promise<Record<string, unknown>>;
  write(line: string): void;
  /** Resolves with how it ended. */
  ended: Promise<number | string | null>;
}

/** `file` is relative to the project. Whoever starts one ends it. */
export function startChild(file: string, args: readonly string[], env: Record<string, string> = {}): Child {
  const path = fileURLToPath(new URL(file, ROOT));
  const loader = file.endsWith('.ts') ? ['--import', LOADER] : [];
  const child = spawn(process.execPath, [...loader, path, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  let errors = '';
  child.stderr.on('data', (text) => {
    errors += text;
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    process: child,
    ended: once(child, 'exit').then(([code, signal]) => code ?? signal),
    write: (line) => child.stdin.write(`${line}\n`),
    async line() {
      const { value, done } = await lines.next();
      if (done) throw new Error(`${file} ended without a word: ${errors}`);
      return JSON.parse(value);
    },
  };
}

/** Call at the top of a file: starts programs, and kills after each test those it started. */
export function children(): typeof startChild {
  const started: Child[] = [];
  afterEach(async () => {
    for (const child of started.splice(0)) {
      child.process.kill('SIGKILL');
      await child.ended;
    }
  });
  return (...given) => {
    const child = startChild(...given);
    started.push(child);
    return child;
  };
}

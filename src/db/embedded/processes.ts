/**
 * Questions about processes that are not our children: is it alive, is it still the same one, does it serve this
 * data directory. A pid alone proves nothing, the kernel gives it out again.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';

/** Alive, whoever owns it. A zombie counts as dead: it holds nothing any more. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  // '': it was there a moment ago, and has been reaped since.
  return process.platform !== 'linux' || !['Z', 'X', ''].includes(statField(pid, 3));
}

/** Field n of /proc/PID/stat as proc(5) counts them; the second, the name, may hold spaces and brackets. */
function statField(pid: number, n: number): string {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[n - 3] ?? '';
  } catch {
    return '';
  }
}

function ask(command: string, args: string[]): string {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return '';
  }
}

/** When the process began, in whatever words the system has; '' when it is gone or cannot be asked. */
export function startOf(pid: number): string {
  if (process.platform === 'linux') return statField(pid, 22);
  if (process.platform === 'win32') return '';
  return ask('ps', ['-o', 'lstart=', '-p', String(pid)]);
}

/** Is `pid` a PostgreSQL process that works in `data`? On Linux its working directory says so. */
export function serves(pid: number, data: string): boolean {
  if (!isAlive(pid)) return false;
  if (process.platform === 'linux') {
    try {
      const theirs = statSync(`/proc/${pid}/cwd`);
      const ours = statSync(data);
      if (theirs.ino !== ours.ino || theirs.dev !== ours.dev) return false;
      return readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('postgres');
    } catch {
      return false;
    }
  }
  const command =
    process.platform === 'win32'
      ? ask('powershell', [
          '-NoProfile',
          '-Command',
          `(Get-CimInstance Win32_Process -Filter 'ProcessId=${pid}').CommandLine`,
        ])
      : ask('ps', ['-ww', '-o', 'command=', '-p', String(pid)]);
  return command.includes('postgres') && command.includes(data);
}

/** Whether a process known to serve `data` still does. Elsewhere than on Linux asking costs a process: not polled. */
export function stillServes(pid: number, data: string): boolean {
  return process.platform === 'linux' ? serves(pid, data) : isAlive(pid);
}

/** Every PostgreSQL process that works in `data`: what a killed postmaster leaves behind. Linux only. */
export function serversIn(data: string): number[] {
  if (process.platform !== 'linux') return [];
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => serves(pid, data));
}

/** Polls until the condition holds; false when the time is up. */
export async function until(condition: () => boolean, timeoutMs: number, everyMs = 20): Promise<boolean> {
  const end = Date.now() + timeoutMs;
  while (!condition()) {
    if (Date.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
  return true;
}

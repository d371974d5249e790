import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DataDirectoryInUse, lockOwner, takeLock } from '../../src/db/embedded/lock.ts';
import { compileLauncher } from '../support/launch.ts';

/**
 * Takes and lets go of the lock again and again, and in one of five times dies holding it. Whoever finds another
 * living holder inside writes it down.
 */
const CONTENDER = `
import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { takeLock } from './embedded/lock.js';
import { isAlive } from './embedded/processes.js';
const [dir, enough] = [process.argv[2], Number(process.argv[3])];
const holder = dir + '/holder';
const holds = () => { try { return readFileSync(dir + '/holds', 'utf8').split('\\n').length; } catch { return 0; } };
while (holds() < enough) {
  let release;
  try {
    release = takeLock(dir);
  } catch (error) {
    if (error.name !== 'DataDirectoryInUse' && !error.message.includes('too many')) throw error;
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 3));
    continue;
  }
  let other = 0;
  try { other = Number(readFileSync(holder, 'utf8')); } catch {}
  if (other > 0 && isAlive(other)) appendFileSync(dir + '/violations', process.pid + ' beside ' + other + '\\n');
  writeFileSync(holder, String(process.pid));
  appendFileSync(dir + '/holds', process.pid + '\\n');
  await new Promise((resolve) => setTimeout(resolve, Math.random() * 3));
  if (Math.random() < 0.2) process.kill(process.pid, 'SIGKILL');
  rmSync(holder);
  release();
}
`;

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'embedded-lock-'));
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('the lock of a data directory', () => {
  it('is refused while its owner lives, with the owner named, and free when let go', () => {
    const release = takeLock(dir);
    expect(lockOwner(dir)).toBe(process.pid);
    expect(() => takeLock(dir)).toThrow(DataDirectoryInUse);
    release();
    expect(lockOwner(dir)).toBeNull();
    takeLock(dir)();
    expect(readdirSync(dir)).toHaveLength(1);
  });

  it('of a dead owner is taken over, also when its pid belongs to another process now', () => {
    writeFileSync(join(dir, 'lock.7'), JSON.stringify({ pid: process.pid, start: 'another time' }));
    expect(lockOwner(dir)).toBeNull();
    const release = takeLock(dir);
    expect(lockOwner(dir)).toBe(process.pid);
    expect(readdirSync(dir)).toEqual(['lock.8']);
    release();
  });

  it('is held by one at a time while many processes take it and die with it', async () => {
    const program = mkdtempSync(join(tmpdir(), 'embedded-checkout-'));
    compileLauncher(program);
    writeFileSync(join(program, 'contender.js'), CONTENDER);
    const enough = 200;
    const holds = () =>
      existsSync(join(dir, 'holds')) ? readFileSync(join(dir, 'holds'), 'utf8').split('\n') : [];
    const failures: string[] = [];
    const contend = async (): Promise<void> => {
      while (holds().length < enough && failures.length === 0) {
        const child = spawn(process.execPath, [join(program, 'contender.js'), dir, String(enough)]);
        child.stderr.on('data', (chunk) => failures.push(String(chunk)));
        await once(child, 'exit');
      }
    };
    await Promise.all(Array.from({ length: 6 }, contend));
    rmSync(program, { recursive: true });
    expect(failures).toEqual([]);
    expect(existsSync(join(dir, 'violations'))).toBe(false);
    expect(new Set(holds()).size).toBeGreaterThan(5);
  });
});

import { spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

/** Stands in for npm: counts its calls, takes its time, and "installs" the real compiler by a link. */
const FAKE_NPM = `
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
appendFileSync('npm.calls', process.argv.slice(2).join(' ') + '\\n');
if (existsSync('npm.running')) appendFileSync('npm.overlaps', 'two at once\\n');
writeFileSync('npm.running', '');
await new Promise((resolve) => setTimeout(resolve, 300));
if (existsSync('npm.broken')) process.exit(7);
rmSync('node_modules', { recursive: true, force: true });
mkdirSync('node_modules');
symlinkSync(process.env.REAL_TYPESCRIPT, 'node_modules/typescript-7');
const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
delete packages[''];
for (const [path, entry] of Object.entries(packages)) if (entry.optional) delete packages[path];
writeFileSync('node_modules/.package-lock.json', JSON.stringify({ packages }));
rmSync('npm.running');
`;

interface Run {
  code: number | null;
  output: string;
  ms: number;
}

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ensure-'));
  mkdirSync(join(root, 'scripts'));
  cpSync('scripts/ensure.mjs', join(root, 'scripts/ensure.mjs'));
  writeFileSync(join(root, 'fake-npm.mjs'), FAKE_NPM);
  writeFileSync(join(root, 'package.json'), '{"type":"module"}');
  lock('6.0.3');
  const options = { target: 'ES2023', module: 'NodeNext', rootDir: 'src', outDir: 'dist', incremental: true };
  // Without the standard library the compiler answers three times as fast.
  const build = { ...options, noLib: true, types: [], tsBuildInfoFile: 'dist/.tsbuildinfo' };
  writeFileSync(join(root, 'tsconfig.json'), '{}');
  writeFileSync(
    join(root, 'tsconfig.build.json'),
    JSON.stringify({ compilerOptions: build, include: ['src'] }),
  );
  mkdirSync(join(root, 'src'));
  const globals = ['Array<T>', 'Boolean', 'CallableFunction', 'Function', 'IArguments', 'NewableFunction'];
  globals.push('Number', 'Object', 'RegExp', 'String');
  writeFileSync(join(root, 'src/globals.d.ts'), globals.map((name) => `interface ${name} {}\n`).join(''));
  writeFileSync(join(root, 'src/one.ts'), 'export const one: number = 1;\n');
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

function lock(version: string): void {
  const packages = {
    '': {},
    'node_modules/typescript-7': { version, integrity: `sha512-${version}`, dev: true },
    'node_modules/elsewhere': { version: '1.0.0', integrity: 'sha512-x', optional: true, os: ['other'] },
  };
  writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ lockfileVersion: 3, packages }));
}

function ensure(env: Record<string, string> = {}): Promise<Run> {
  const began = Date.now();
  const child = spawn(process.execPath, ['scripts/ensure.mjs'], {
    cwd: root,
    env: {
      ...process.env,
      npm_execpath: join(root, 'fake-npm.mjs'),
      npm_lifecycle_event: 'prestart',
      REAL_TYPESCRIPT: resolve('node_modules/typescript-7'),
      ...env,
    },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  return new Promise((done) => child.once('close', (code) => done({ code, output, ms: Date.now() - began })));
}

const read = (path: string) => readFileSync(join(root, path), 'utf8');
const has = (path: string) => existsSync(join(root, path));
const npmCalls = () => (has('npm.calls') ? read('npm.calls').trim().split('\n') : []);

describe('ensure', () => {
  it('installs with development dependencies and builds on a fresh clone, then does nothing', async () => {
    const first = await ensure({ NODE_ENV: 'production' });
    expect(first).toMatchObject({ code: 0 });
    expect(npmCalls()).toEqual(['ci --include=dev']);
    expect(read('dist/one.js')).toContain('export const one = 1');

    const second = await ensure();
    expect(second).toMatchObject({ code: 0, output: '' });
    expect(npmCalls()).toHaveLength(1);
    expect(second.ms).toBeLessThan(1500);
  });

  it('installs again when the lockfile asks for something else, not when only its time changed', async () => {
    await ensure();
    utimesSync(join(root, 'package-lock.json'), new Date(), new Date(Date.now() + 60_000));
    await ensure();
    expect(npmCalls()).toHaveLength(1);
    lock('6.0.4');
    await ensure();
    expect(npmCalls()).toHaveLength(2);
    expect((await ensure()).output).toBe('');
  });

  it('believes an install that somebody made by hand', async () => {
    await ensure();
    rmSync(join(root, 'node_modules/.cadenza-install'));
    expect(await ensure()).toMatchObject({ code: 0, output: '' });
    expect(npmCalls()).toHaveLength(1);
  });

  it('runs what is built without development dependencies, and fetches them for tests', async () => {
    await ensure();
    rmSync(join(root, 'node_modules'), { recursive: true });
    mkdirSync(join(root, 'node_modules'));
    writeFileSync(join(root, 'node_modules/.package-lock.json'), '{"packages":{}}');
    expect(await ensure()).toMatchObject({ code: 0, output: '' });
    expect(npmCalls()).toHaveLength(1);
    await ensure({ npm_lifecycle_event: 'pretest' });
    expect(npmCalls()).toHaveLength(2);
  });

  it('builds again after a change, a lost output and a removed source', async () => {
    writeFileSync(join(root, 'src/two.ts'), 'export const two = 2;\n');
    await ensure();
    writeFileSync(join(root, 'src/one.ts'), 'export const one: number = 11;\n');
    await ensure();
    expect(read('dist/one.js')).toContain('11');
    rmSync(join(root, 'dist/one.js'));
    await ensure();
    expect(read('dist/one.js')).toContain('11');
    rmSync(join(root, 'src/two.ts'));
    await ensure();
    expect(has('dist/two.js')).toBe(false);
    expect(npmCalls()).toHaveLength(1);
  });

  it('fails on a type error each time until it is mended', async () => {
    writeFileSync(join(root, 'src/one.ts'), 'export const one: number = "1";\n');
    for (let time = 0; time < 2; time++) {
      const run = await ensure();
      expect(run.code).toBe(1);
      expect(run.output).toContain("Type 'string' is not assignable");
    }
    writeFileSync(join(root, 'src/one.ts'), 'export const one: number = 1;\n');
    expect((await ensure()).code).toBe(0);
  });

  it('fails when npm fails, and tries again the next time', async () => {
    writeFileSync(join(root, 'npm.broken'), '');
    const run = await ensure();
    expect(run.code).toBe(1);
    expect(run.output).toContain('npm ci failed');
    rmSync(join(root, 'npm.broken'));
    expect((await ensure()).code).toBe(0);
    expect(npmCalls()).toHaveLength(2);
  });

  it('lets one of several at once do the work, and takes over from a killed one', async () => {
    const runs = await Promise.all([ensure(), ensure(), ensure(), ensure()]);
    expect(runs.map((run) => run.code)).toEqual([0, 0, 0, 0]);
    expect(npmCalls()).toHaveLength(1);
    expect(has('npm.overlaps')).toBe(false);

    lock('6.0.4');
    const child = spawn(process.execPath, ['scripts/ensure.mjs'], {
      cwd: root,
      env: {
        ...process.env,
        npm_execpath: join(root, 'fake-npm.mjs'),
        REAL_TYPESCRIPT: resolve('node_modules/typescript-7'),
      },
    });
    const closed = new Promise((done) => child.once('exit', done));
    await expect.poll(() => npmCalls().length, { timeout: 30_000 }).toBe(2);
    child.kill('SIGKILL');
    await closed;
    await expect.poll(() => has('npm.running'), { timeout: 30_000 }).toBe(false);
    expect((await ensure()).code).toBe(0);
    expect((await ensure()).output).toBe('');
  });

  it('says so when Node is too old', async () => {
    const script = read('scripts/ensure.mjs').replace('[20, 19]', '[9999, 0]');
    writeFileSync(join(root, 'scripts/ensure.mjs'), script);
    const run = await ensure();
    expect(run.code).toBe(1);
    expect(run.output).toContain('Cadenza needs Node 9999.0 or later; this is');
    expect(has('dist')).toBe(false);
  });
});

/** Small projects with planted faults, for tests of the checks: each check must find what was planted, and only that. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROJECT = fileURLToPath(new URL('../..', import.meta.url));
/** What a check needs beside the files it looks at. */
const MACHINERY = ['scripts/check', '.dependency-cruiser.cjs', 'tsconfig.json'];

export interface Planted {
  root: string;
  /** Runs `scripts/check/NAME.mjs` of the copy on the copy. */
  run(name: string): { status: number | null; lines: string[] };
  write(files: Record<string, string>): void;
  /** Gives the copy packages of its own instead of the project's: `stubs` as files, `copies` copied, all else linked. */
  replacePackages(stubs: Record<string, Record<string, string>>, copies: string[]): void;
  remove(): void;
}

export function plant(files: Record<string, string>): Planted {
  const root = mkdtempSync(join(tmpdir(), 'cadenza-planted-'));
  const packages = join(root, 'node_modules');
  for (const path of MACHINERY) cpSync(join(PROJECT, path), join(root, path), { recursive: true });
  symlinkSync(join(PROJECT, 'node_modules'), packages);
  const planted: Planted = {
    root,
    write(more) {
      for (const [path, text] of Object.entries(more)) {
        mkdirSync(dirname(join(root, path)), { recursive: true });
        writeFileSync(join(root, path), text);
      }
    },
    run(name) {
      const args = [join(root, `scripts/check/${name}.mjs`), root];
      const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
      return { status, lines: `${stdout}${stderr}`.trimEnd().split('\n') };
    },
    replacePackages(stubs, copies) {
      rmSync(packages);
      mkdirSync(packages);
      for (const name of readdirSync(join(PROJECT, 'node_modules'))) {
        const from = join(PROJECT, 'node_modules', name);
        if (name in stubs || name.startsWith('.')) continue;
        if (copies.includes(name)) cpSync(from, join(packages, name), { recursive: true });
        else symlinkSync(from, join(packages, name));
      }
      for (const [name, texts] of Object.entries(stubs)) {
        const inside = Object.entries(texts).map(([path, text]) => [`node_modules/${name}/${path}`, text]);
        planted.write(Object.fromEntries(inside));
      }
    },
    remove() {
      rmSync(root, { recursive: true, force: true });
    },
  };
  planted.write({ 'package.json': '{ "name": "planted", "type": "module", "scripts": {} }', ...files });
  return planted;
}

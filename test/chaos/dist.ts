/** The product as it is built: the harness starts and asks what users run, not the sources. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

export interface Project {
  root: string;
  /** A file of `dist/`. */
  built(path: string): string;
  cli: string;
}

export function project(root: string): Project {
  return { root, built: (path) => join(root, 'dist', path), cli: join(root, 'bin/cadenza.mjs') };
}

export async function launcher(of: Project): Promise<typeof import('../../src/db/embedded/launcher.ts')> {
  return import(pathToFileURL(of.built('db/embedded/launcher.js')).href);
}

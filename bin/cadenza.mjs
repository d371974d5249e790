#!/usr/bin/env -S node --max-semi-space-size=32
/**
 * The command line. The program is compiled; `npm start` and `npm test` do that when it is due. The flag gives room to
 * what a batch of messages leaves behind: with less, collecting it takes a fifth of a worker's time (measured).
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const program = new URL('../dist/cli/main.js', import.meta.url);
if (!existsSync(fileURLToPath(program))) {
  console.error('cadenza is not built yet: run `npm run build` first (`npm start` does it by itself)');
  process.exit(1);
}
const { main } = await import(program.href);
process.exitCode = await main(process.argv.slice(2));

#!/usr/bin/env -S node --max-semi-space-size=32 --max-old-space-size=1024
/**
 * The command line. The program is compiled; `npm start` and `npm test` do that when it is due. The options (measured): room
 * for what a batch of messages leaves behind, or collecting it takes a fifth of a worker's time; and a heap that is
 * not let grow to four times what is in use before that is looked at, or a worker holds 385 MB instead of 250.
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

/** Node's options as the product's own command has them in its first line: every row of the bench runs with them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const [firstLine] = readFileSync(join(import.meta.dirname, '../bin/cadenza.mjs'), 'utf8').split('\n');
export const NODE_OPTIONS = firstLine.split(' ').filter((word) => word.startsWith('--'));

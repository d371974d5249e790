import { DOCUMENTED, noopRow } from './graphile.mjs';

export const { prepare, load, run, close } = noopRow(DOCUMENTED);

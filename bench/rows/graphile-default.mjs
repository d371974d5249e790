import { noopRow } from './graphile.mjs';
import { measureIdle } from './graphile-idle.mjs';

export const { prepare, load, run, close } = noopRow({});

export const measure = ({ url, quick }) => measureIdle(url, quick ? 'quick' : 'full');

/**
 * Files and functions of `src/` that may be longer than the limits of `sizes.mjs`: `{ file, function?, reason }`. An
 * entry that no longer needs its excuse is an error.
 */
export const LONG = [];

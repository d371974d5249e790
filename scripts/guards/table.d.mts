/** find, replace, and the file when it is not the guard's own */
export type Edit = readonly [string, string, string?];

export const GUARDS: readonly {
  guard: string;
  file: string;
  edits: readonly Edit[];
  tests: readonly [string, ...string[]];
}[];

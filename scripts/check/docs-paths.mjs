/** Does a word in code name a file, and is it there? */

/** Folders whose mention is a claim that something lies there. */
const FOLDERS = /^(src|test|scripts|bin|docs|bench|console|\.ci)\//;
/** A bare file name with one of our endings is a claim too. */
const FILE_NAME = /^[\w.-]+\.(ts|tsx|mjs|cjs|sql|md)$/;
/** What the product makes at run time, or names of others: no file of ours. */
const NOT_OURS = [/^bench\/node_modules\//, /^console\/dist\//];

function matcher(path) {
  const source = path
    .replace(/[.+^${}()\\]/g, '\\$&')
    // `<adapter>`, `…` and `*` stand for a part of a name, `**` for any number of folders.
    .replace(/\*\*/g, '\u0001')
    .replace(/<[^>]+>|…|\*/g, '[^/]*')
    .replaceAll('\u0001', '.*');
  // A folder is there when something in it is.
  return new RegExp(`^${source}(/|$)`);
}

/** The message when `word` names a path that is not there; undefined when it is, or is no path. */
export function unknownPath(word, { files }) {
  const path = word
    .replace(/^\.\//, '')
    .replace(/[#:].*$/, '')
    .replace(/\.$/, '');
  if (NOT_OURS.some((pattern) => pattern.test(path))) return undefined;
  if (FOLDERS.test(path)) {
    const found = matcher(path.replace(/\/$/, ''));
    return files.some((file) => found.test(file)) ? undefined : `\`${path}\` does not exist`;
  }
  if (FILE_NAME.test(path) && !files.some((file) => file === path || file.endsWith(`/${path}`))) {
    return `no file is called \`${path}\``;
  }
  return undefined;
}

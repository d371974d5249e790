/**
 * The encoding of a database. Only in UTF8 is a text what was written: SQL_ASCII keeps bytes it does not understand,
 * so that lengths, upper case and look-ups go wrong from the first letter with an accent, and others cannot hold every
 * name. It is fixed when a database is made.
 */
export class WrongEncoding extends Error {
  override name = 'WrongEncoding';
}

/** What is wrong with it and what to do, in words; null for UTF8. */
export function encodingProblem(database: string, encoding: string): string | null {
  if (encoding === 'UTF8') return null;
  return `The database ${database} has the encoding ${encoding}, and Cadenza needs UTF8, which only a new database can have: CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0.`;
}

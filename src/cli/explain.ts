/** What a failed command says: on standard error for people, as one line of JSON for programs. Loaded when there is something to say. */
import { ConfigError } from '../config.ts';
import { pgCode } from '../db/database.ts';
import { DataDirectoryInUse } from '../db/embedded/lock.ts';
import { NoEmbeddedPostgres } from '../db/embedded/platform.ts';
import { WrongEncoding } from '../db/encoding.ts';
import { OwnerLacksRights } from '../db/owner-rights.ts';
import { PROBLEMS, Problem } from '../kernel/problem.ts';
import { AppRoleRefused } from '../tenancy/app-login.ts';
import { OtherInstallation } from '../tenancy/installation.ts';
import { EXIT, type Streams } from './command.ts';
import { OptionRefused } from './option-refused.ts';

/** Undefined table, function, column. */
const NOT_MIGRATED = new Set(['42P01', '42883', '42703']);

function failureOf(error: unknown): Error {
  if (NOT_MIGRATED.has(pgCode(error) ?? ''))
    return new ConfigError('The database does not have the current schema: run `npx cadenza migrate`.', {
      cause: error,
    });
  return error instanceof Error ? error : new Error(String(error));
}

/** What a start meets in ordinary life: its message says it all, and a stack would only hide it. */
function isExpected(failure: Error): boolean {
  const classes = [
    ConfigError,
    DataDirectoryInUse,
    NoEmbeddedPostgres,
    AppRoleRefused,
    OtherInstallation,
    WrongEncoding,
    OwnerLacksRights,
  ];
  return classes.some((one) => failure instanceof one) || 'code' in failure;
}

/** Some messages end with a full stop, others do not. */
const sentence = (message: string) => (message.endsWith('.') ? message : `${message}.`);

/** @returns the exit code */
export function explain(error: unknown, json: boolean, streams: Streams): number {
  if (error instanceof Problem) {
    const { title, advice } = PROBLEMS[error.code];
    const own = error instanceof OptionRefused ? error.advice : null;
    if (json)
      streams.out(
        JSON.stringify({
          error: { code: error.code, detail: error.message, advice: own ?? advice, errors: error.errors },
        }),
      );
    if (own !== null) {
      // Its message is the sentence, the advice and the list already.
      streams.err(`Refused: ${error.message}`);
      return EXIT.refused;
    }
    const fields = error.errors.map(({ field, message }) => `\n  ${field}: ${message}`).join('');
    streams.err(
      `Refused: ${title.charAt(0).toLowerCase()}${title.slice(1)}. ${sentence(error.message)}${fields}\n${advice}`,
    );
    return EXIT.refused;
  }
  const failure = failureOf(error);
  if (json) streams.out(JSON.stringify({ error: { code: 'failed', detail: failure.message } }));
  const short = failure.message || String(Reflect.get(failure, 'code'));
  streams.err(`Failed: ${isExpected(failure) ? short : failure.stack}`);
  return EXIT.failed;
}

/** `import contacts FILE`: the same import as over HTTP, carried out here, with its progress. */
import { createReadStream, createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { errorsCsv } from '../../contacts/import/errors-csv.ts';
import {
  EXISTING_POLICIES,
  getImport,
  type ImportCounts,
  type ImportRecord,
} from '../../contacts/import/import.ts';
import { type Preview, previewImport } from '../../contacts/import/preview.ts';
import { runImport } from '../../contacts/import/run.ts';
import { type ImportSettings, startImport } from '../../contacts/import/start.ts';
import { discardImport, uploadImport } from '../../contacts/import/upload.ts';
import type { Database } from '../../db/database.ts';
import type { Caller } from '../../tenancy/roles.ts';
import { type Call, type Command, EXIT, textOption, UsageError } from '../command.ts';
import { chooseOrganization, ORG_OPTION, withInstallation } from '../installation.ts';
import { counted } from '../plural.ts';
import { progressBar } from '../progress.ts';

/** Two batches on their way, and the part of the file that comes next. */
const CONNECTIONS = 4;
const READ_BYTES = 1024 * 1024;
const IDENTITIES = ['email', 'phone', 'external_id'] as const;

export const importContacts: Command = {
  takes: ['[FILE]'],
  options: {
    map: {
      value: 'PAIRS',
      about: 'Columns and fields: "E-mail=email,Nickname=attributes.nickname"; default guessed',
    },
    identity: { value: 'FIELD', about: `What tells contacts apart: ${IDENTITIES.join(', ')}; default email` },
    existing: {
      value: 'POLICY',
      about: `Contacts already there: ${EXISTING_POLICIES.join(', ')}; default skip`,
    },
    tags: { value: 'LIST', about: 'Tags for every imported contact, separated by commas' },
    country: { value: 'CODE', about: 'ISO 3166 code for phone numbers without +' },
    errors: { value: 'FILE', about: 'Write the refused rows, with the reasons, to this CSV file' },
    preview: { about: 'Show the mapping and the first rows; import nothing' },
    resume: { value: 'ID', about: 'Go on with an import that was interrupted' },
    ...ORG_OPTION,
  },
  about: 'Example: npx cadenza import contacts people.csv --tags fair-2027 --errors refused.csv',
  async run(call) {
    const file = call.args[0];
    const resume = textOption(call, 'resume');
    if ((file === undefined) === (resume === undefined)) throw new UsageError('Give a FILE, or --resume ID.');
    const settings = settingsOf(call);
    return withInstallation(
      call.config,
      async (installation) => {
        const { db } = installation;
        if (file !== undefined) await readable(file);
        const caller = await chooseOrganization(call, installation, { makeFirst: true });
        if (file === undefined) return carryOut(call, db, caller, await getImport(db, caller, resume!));
        const uploaded = await uploadImport(db, caller, {
          filename: basename(file),
          source: createReadStream(file, { highWaterMark: READ_BYTES }),
        });
        return begin(call, db, caller, uploaded, settings);
      },
      { connections: CONNECTIONS },
    );
  },
};

async function begin(
  call: Call,
  db: Database,
  caller: Caller,
  uploaded: ImportRecord,
  settings: ImportSettings,
): Promise<number | undefined> {
  const input = { ...settings, import_id: uploaded.id };
  try {
    if (call.options.preview === true) {
      const preview = await previewImport(db, caller, input);
      call.result(
        { ...preview, encoding: uploaded.encoding, delimiter: uploaded.delimiter },
        previewText(preview),
      );
      await discardImport(db, caller, uploaded.id);
      return undefined;
    }
    const started = await startImport(db, caller, { ...input, queue: false });
    return await carryOut(call, db, caller, started);
  } catch (error) {
    // Settings that do not fit; one that has begun stays, to be gone on with.
    await discardImport(db, caller, uploaded.id);
    throw error;
  }
}

async function carryOut(
  call: Call,
  db: Database,
  caller: Caller,
  record: ImportRecord,
): Promise<number | undefined> {
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  process.once('SIGINT', interrupt);
  const bar = progressBar(call);
  const done = await runImport(db, caller, record.id, {
    signal: stop.signal,
    onProgress: ({ next_byte, counts }) => bar.show(next_byte / record.bytes, counted(counts.rows, 'row')),
  }).finally(() => {
    bar.end();
    process.off('SIGINT', interrupt);
  });
  const errors = textOption(call, 'errors');
  if (errors !== undefined)
    await pipeline(Readable.from(await errorsCsv(db, caller, done.id)), createWriteStream(errors));
  const { id, status, counts } = done;
  call.result({ import_id: id, status, ...counts }, resultText(done, errors));
  return status === 'completed' ? undefined : EXIT.failed;
}

function settingsOf(call: Call): ImportSettings {
  const one = <T extends string>(name: string, of: readonly T[]): T | undefined => {
    const text = textOption(call, name);
    if (text === undefined) return undefined;
    const found = of.find((word) => word === text);
    if (found === undefined) throw new UsageError(`--${name} must be one of ${of.join(', ')}.`);
    return found;
  };
  return {
    mapping: mappingOf(textOption(call, 'map')),
    identity: one('identity', IDENTITIES),
    existing: one('existing', EXISTING_POLICIES),
    tags: textOption(call, 'tags')?.split(','),
    default_country: textOption(call, 'country'),
  };
}

function mappingOf(text: string | undefined): Record<string, string> | undefined {
  if (text === undefined) return undefined;
  return Object.fromEntries(
    text.split(',').map((pair) => {
      const at = pair.lastIndexOf('=');
      if (at < 1) throw new UsageError(`--map has COLUMN=FIELD, separated by commas; "${pair}" is not.`);
      return [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
    }),
  );
}

async function readable(file: string): Promise<void> {
  const found = await stat(file).catch(() => null);
  if (found === null) throw new UsageError(`There is no file ${file}.`);
  if (!found.isFile()) throw new UsageError(`${file} is not a file that can be read from its beginning.`);
}

function previewText(preview: Preview): string {
  const columns = preview.mapping.map(
    ({ column, field, confidence }) =>
      `  ${column} → ${field ?? '(left out)'}${confidence === 'low' ? '  ?' : ''}`,
  );
  const rows = preview.rows.map(
    ({ row, contact, refused }) => `  ${row}  ${refused?.message ?? JSON.stringify(contact)}`,
  );
  return ['Columns:', ...columns, 'First rows:', ...rows].join('\n');
}

function resultText({ id, status, counts, error }: ImportRecord, errors: string | undefined): string {
  const lines = [
    `${counted(counts.rows, 'row')}: ${counts.created} created, ${counts.updated} updated, ${counts.unchanged} unchanged, ` +
      `${counts.skipped} skipped, ${counted(counts.duplicates, 'duplicate')}, ${sum(counts.refused)} refused.`,
    ...reasons('Refused', counts.refused),
    ...reasons('Left out', counts.warnings),
  ];
  if (status === 'running') lines.push(`Interrupted; go on with: npx cadenza import contacts --resume ${id}`);
  else if (status !== 'completed') lines.push(`The import ${status}${error === null ? '.' : `: ${error}`}`);
  if (errors !== undefined) lines.push(whereRows(counts, errors));
  return lines.join('\n');
}

function whereRows({ refused, warnings, duplicates }: ImportCounts, errors: string): string {
  return sum(refused) + sum(warnings) + duplicates > 0
    ? `The rows are in ${errors}.`
    : `There is nothing to tell of any row: ${errors} has the header alone.`;
}

function reasons(title: string, counts: ImportCounts['refused']): string[] {
  return Object.entries(counts).map(([code, n]) => `  ${title}: ${code} ${n}`);
}

function sum(counts: Record<string, number>): number {
  return Object.values(counts).reduce((all, n) => all + n, 0);
}

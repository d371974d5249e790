/**
 * A provider's public description of its API, read into one shape whatever it is written in: OpenAPI 2, 3.0 or 3.1, as
 * JSON or YAML, or a Smithy model. In: its text. Out: the operations by method and path, each with its parameters, body
 * and answers, whose schemas are as they stand in the document.
 */
import { parse } from 'yaml';
import { isObject, type Json, listOf, objectOf } from './json.ts';
import { smithyDocument } from './smithy.ts';

export interface Parameter {
  name: string;
  in: string;
  required: boolean;
  schema: unknown;
}

export interface Operation {
  method: string;
  /** With the path of the server: as it stands behind the host. */
  path: string;
  parameters: Parameter[];
  body: { required: boolean; content: Record<string, unknown> } | null;
  /** Schemas by status (`200`, `4XX`, `default`) and media type; null: no body is described. */
  answers: Record<string, Record<string, unknown> | null>;
}

export interface Description {
  document: Json;
  /** `2.0`, `3.0.1`, `3.1.0`: what its schemas mean by `nullable` and the like. */
  version: string;
  hosts: string[];
  operations: Operation[];
}

const METHODS = ['get', 'put', 'post', 'delete', 'patch', 'head'];
const MAX_ALIASES = 10_000;

export function readDescription(text: string): Description {
  const written: unknown = text.trimStart().startsWith('{')
    ? JSON.parse(text)
    : parse(text, { maxAliasCount: MAX_ALIASES });
  const document = isObject(written) && 'smithy' in written ? smithyDocument(written) : objectOf(written);
  const version = String(document.openapi ?? document.swagger ?? '');
  if (!/^(2|3)\./.test(version)) throw new Error('The description is neither OpenAPI 2 or 3 nor Smithy');
  const bases = basesOf(document, version);
  const operations = Object.entries(objectOf(document.paths)).flatMap(([path, item]) =>
    bases.paths.flatMap((base) => operationsOf(document, base + path, objectOf(resolved(document, item)))),
  );
  if (operations.length === 0) throw new Error('The description describes no operation');
  return { document, version, hosts: bases.hosts, operations };
}

/** What stands at the end of its references, which are all within the document. */
function resolved(document: Json, value: unknown): unknown {
  let found = value;
  for (let step = 0; isObject(found) && typeof found.$ref === 'string'; step++) {
    if (step > 20) throw new Error(`A reference goes round: ${found.$ref}`);
    found = pointed(document, found.$ref);
  }
  return found;
}

export function pointed(document: Json, pointer: string): unknown {
  let at: unknown = document;
  for (const part of pointer.replace(/^#\//, '').split('/')) {
    const key = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
    at = Array.isArray(at) ? at[Number(key)] : objectOf(at)[key];
  }
  if (at === undefined) throw new Error(`The description refers to nothing: ${pointer}`);
  return at;
}

function basesOf(document: Json, version: string): { hosts: string[]; paths: string[] } {
  const servers = version.startsWith('2')
    ? [`https://${String(document.host ?? 'unknown.invalid')}${String(document.basePath ?? '')}`]
    : listOf(document.servers).map((server) => filled(objectOf(server)));
  const urls = servers.map((url) => new URL(url.startsWith('http') ? url : `https://unknown.invalid${url}`));
  const paths = urls.map(({ pathname }) => pathname.replace(/\/+$/, ''));
  return { hosts: urls.map(({ host }) => host), paths: paths.length === 0 ? [''] : [...new Set(paths)] };
}

/** With the default of each variable. */
function filled(server: Json): string {
  return String(server.url ?? '/').replace(/\{([^}]+)\}/g, (_, name: string) =>
    String(objectOf(objectOf(server.variables)[name]).default ?? 'unknown'),
  );
}

function operationsOf(document: Json, path: string, item: Json): Operation[] {
  return METHODS.filter((method) => isObject(item[method])).map((method) => {
    const operation = objectOf(item[method]);
    const written = [...listOf(item.parameters), ...listOf(operation.parameters)].map((one) =>
      objectOf(resolved(document, one)),
    );
    const parameters = written
      .filter((one) => !['body', 'formData'].includes(String(one.in)))
      .map((one) => ({
        name: String(one.name),
        in: String(one.in),
        required: one.required === true,
        // OpenAPI 2 writes the schema of a parameter into the parameter.
        schema:
          one.schema ?? Object.values(objectOf(one.content)).map((media) => objectOf(media).schema)[0] ?? one,
      }));
    return {
      method: method.toUpperCase(),
      path: path.split('#')[0]!,
      parameters,
      body: bodyOf(document, operation, written),
      answers: answersOf(document, operation),
    };
  });
}

function bodyOf(document: Json, operation: Json, parameters: Json[]): Operation['body'] {
  const body = objectOf(resolved(document, operation.requestBody));
  if (isObject(body.content))
    return { required: body.required === true, content: schemasOf(document, body.content) };
  const whole = parameters.find((one) => one.in === 'body');
  if (whole)
    return { required: whole.required === true, content: { 'application/json': whole.schema ?? {} } };
  const fields = parameters.filter((one) => one.in === 'formData');
  if (fields.length === 0) return null;
  const required = fields.filter((one) => one.required === true).map((one) => String(one.name));
  const schema = {
    type: 'object',
    properties: Object.fromEntries(fields.map((one) => [String(one.name), one])),
    ...(required.length === 0 ? {} : { required }),
  };
  return { required: required.length > 0, content: { 'application/x-www-form-urlencoded': schema } };
}

function answersOf(document: Json, operation: Json): Operation['answers'] {
  return Object.fromEntries(
    Object.entries(objectOf(operation.responses)).map(([status, written]) => {
      const answer = objectOf(resolved(document, written));
      const content = isObject(answer.content)
        ? schemasOf(document, answer.content)
        : 'schema' in answer
          ? { 'application/json': answer.schema }
          : null;
      return [status.toUpperCase().replace('DEFAULT', 'default'), content];
    }),
  );
}

function schemasOf(document: Json, content: Json): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(content).map(([type, media]) => [
      type.split(';')[0]!.trim().toLowerCase(),
      objectOf(resolved(document, media)).schema ?? {},
    ]),
  );
}

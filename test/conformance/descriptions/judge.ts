/**
 * One call to a provider and its answer, held against the provider's description. In: what went over the wire. Out: what
 * of it the description does not have, or has otherwise: path, method, query, headers, body, and the same of the answer.
 */
import type { Description, Operation, Parameter } from './description.ts';
import { isObject, type Json } from './json.ts';
import { type Flaw, Schemas } from './schema.ts';

export interface Exchange {
  method: string;
  /** As it stands behind the provider's own host. */
  path: string;
  query: string;
  /** Names in lower case. */
  headers: Record<string, string>;
  body: string;
  answer: { status: number; headers: Record<string, string>; body: string };
}

export interface Deviation {
  side: 'request' | 'answer';
  /** `body.to.0`, `query.limit`, `path`, `status`. */
  at: string;
  message: string;
}

/** Of HTTP itself, and what no description writes out: its security schemes name them. */
const FORM = 'application/x-www-form-urlencoded';

export class Judge {
  readonly #description: Description;
  readonly #schemas: Schemas;

  constructor(description: Description) {
    this.#description = description;
    this.#schemas = new Schemas(description);
  }

  deviations(exchange: Exchange): Deviation[] {
    const { method, path } = exchange;
    const fitting = this.#description.operations.filter((one) => pathPattern(one.path).test(path));
    if (fitting.length === 0) return [deviation('request', 'path', `${path} is not described`)];
    const meant = closest(fitting.filter((one) => one.method === method));
    if (meant.length === 0)
      return [deviation('request', 'method', `${method} is not described for this path`)];
    const judged = meant.map((operation) => [
      ...this.#parameters(operation, exchange),
      ...this.#body(operation, exchange),
      ...this.#answer(operation, exchange),
    ]);
    // Where only placeholders tell operations apart (Meta: an id, whatever it is of), the one that fits best is meant.
    return judged.reduce((best, one) => (one.length < best.length ? one : best));
  }

  /** Whether there is such a path at all. */
  knows({ path }: Exchange): boolean {
    return this.#description.operations.some((one) => pathPattern(one.path).test(path));
  }

  #parameters(operation: Operation, exchange: Exchange): Deviation[] {
    const query = new URLSearchParams(exchange.query);
    const described = operation.parameters.filter((one) => one.in === 'query');
    const names = [...new Set(query.keys())];
    return [
      ...described
        .filter(({ name, required }) => required && !names.some((one) => isNamed(one, name)))
        .map(({ name }) => deviation('request', `query.${name}`, 'is required and missing')),
      ...names.flatMap((name) => {
        const parameter = described.find((one) => isNamed(name, one.name));
        if (parameter === undefined) return [deviation('request', `query.${name}`, 'is not described')];
        if (name !== parameter.name) return this.#member(parameter, name, query.get(name)!);
        return this.#values(parameter, query.getAll(name), `query.${name}`);
      }),
      ...operation.parameters
        .filter((one) => one.in === 'header')
        .flatMap((one) => {
          const value = exchange.headers[one.name.toLowerCase()];
          const at = `header.${one.name}`;
          if (value === undefined)
            return one.required ? [deviation('request', at, 'is required and missing')] : [];
          return this.#values(one, [value], at);
        }),
      ...this.#pathValues(operation, exchange),
    ];
  }

  #pathValues(operation: Operation, { path }: Exchange): Deviation[] {
    const values = pathPattern(operation.path).exec(path)!.slice(1).map(decodeURIComponent);
    const names = [...operation.path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => name!);
    return names.flatMap((name, at) => {
      const parameter = operation.parameters.find((one) => one.in === 'path' && one.name === name);
      return parameter === undefined ? [] : this.#values(parameter, [values[at]!], `path.${name}`);
    });
  }

  #values({ schema }: Parameter, values: string[], at: string): Deviation[] {
    const value = values.length === 1 ? values[0] : values;
    return this.#schemas.flaws(parameterSchema(schema), value, true).map(placed('request', at));
  }

  /** `filter[phone_number]` of a parameter `filter` that is an object. */
  #member(parameter: Parameter, name: string, value: string): Deviation[] {
    const field = /\[([^\]]*)\]$/.exec(name)?.[1] ?? '';
    return this.#schemas
      .flaws(parameter.schema, { [field]: value }, true)
      .map(placed('request', `query.${parameter.name}`));
  }

  #body(operation: Operation, exchange: Exchange): Deviation[] {
    const type = typeOf(exchange.headers);
    if (operation.body === null)
      return exchange.body === '' ? [] : [deviation('request', 'body', 'none is described')];
    if (exchange.body === '')
      return operation.body.required ? [deviation('request', 'body', 'is required and missing')] : [];
    const { content } = operation.body;
    // A form may come in either of its two spellings wherever one is described.
    const key =
      type === FORM && !(FORM in content) && 'multipart/form-data' in content ? 'multipart/form-data' : type;
    if (!(key in content))
      return [
        deviation('request', 'header.content-type', `${type} is not described: ${Object.keys(content)}`),
      ];
    const value = type === FORM ? formOf(exchange.body) : jsonOf(exchange.body);
    if (value === undefined) return [deviation('request', 'body', 'cannot be read')];
    return this.#schemas.flaws(content[key], value, type === FORM).map(placed('request', 'body'));
  }

  /** What is not described of an answer is not ours to know: only statuses below 500 are, and bodies where there are any. */
  #answer(operation: Operation, { answer }: Exchange): Deviation[] {
    if (answer.status >= 500) return [];
    const { answers } = operation;
    const status = String(answer.status);
    const key = [status, `${status[0]}XX`, 'default'].find((one) => one in answers);
    if (key === undefined) {
      // Refusals are described seldom; what is taken, always.
      return answer.status < 400 ? [deviation('answer', 'status', `${status} is not described`)] : [];
    }
    const content = answers[key];
    const schema = content?.[typeOf(answer.headers)] ?? content?.['application/json'] ?? content?.['*/*'];
    if (schema === undefined || schema === null) return [];
    if (answer.body === '')
      return answer.status === 204 ? [] : [deviation('answer', 'body', 'is described and empty')];
    // A lone text is often described as JSON and sent as it is.
    const value = jsonOf(answer.body) ?? answer.body;
    return this.#schemas.flaws(schema, value).map(placed('answer', 'body'));
  }
}

/** What is written out is meant before what a placeholder stands for. */
function closest(operations: Operation[]): Operation[] {
  const placeholders = ({ path }: Operation) => path.split('{').length;
  const least = Math.min(...operations.map(placeholders));
  return operations.filter((one) => placeholders(one) === least);
}

const deviation = (side: Deviation['side'], at: string, message: string): Deviation => ({
  side,
  at,
  message,
});
const placed =
  (side: Deviation['side'], root: string) =>
  ({ at, message }: Flaw): Deviation => ({ side, at: at === '' ? root : `${root}.${at}`, message });

function pathPattern(template: string): RegExp {
  const parts = template.split(/\{[^}]+\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('([^/]+)')}$`);
}

/** `filter[phone_number]` is of `filter`, `metadata_x` of `metadata_*`. */
function isNamed(name: string, described: string): boolean {
  if (name === described || name.replace(/\[[^\]]*\]$/, '') === described) return true;
  return described.endsWith('*') && name.startsWith(described.slice(0, -1));
}

/** Keywords of a parameter in OpenAPI 2 that are none of a schema. */
function parameterSchema(schema: unknown): unknown {
  if (!isObject(schema) || !('in' in schema)) return schema;
  const { name: _name, in: _in, required: _required, ...rest } = schema;
  return rest satisfies Json;
}

function typeOf(headers: Record<string, string>): string {
  return (headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
}

function formOf(body: string): Json {
  const form = new URLSearchParams(body);
  return Object.fromEntries(
    [...new Set(form.keys())].map((name) => {
      const values = form.getAll(name);
      return [name, values.length === 1 ? values[0] : values];
    }),
  );
}

function jsonOf(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

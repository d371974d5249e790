/**
 * A description's schemas as JSON Schema that a validator takes, and closed: what a schema does not name is reported. Each
 * component is made twice, closed where it stands alone and open where others are joined to it (`allOf` and its like), and
 * only those that are reached. `oneOf` is read as `anyOf`: descriptions write it where branches overlap.
 */
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { type Description, pointed } from './description.ts';
import { isObject, type Json, listOf, objectOf } from './json.ts';

const KEPT = [
  'type',
  'enum',
  'const',
  'required',
  'pattern',
  'minLength',
  'maxLength',
  'minimum',
  'maximum',
  'multipleOf',
  'minItems',
  'maxItems',
  'uniqueItems',
  'minProperties',
  'maxProperties',
];
const JOINED = ['allOf', 'anyOf', 'oneOf'];

export interface Flaw {
  /** `body.personalizations.0.to`; empty: the whole. */
  at: string;
  message: string;
}

export class Schemas {
  readonly #description: Description;
  readonly #old: boolean;
  readonly #strict: Ajv2020;
  readonly #forms: Ajv2020;
  readonly #compiled = new Map<string, ValidateFunction>();

  constructor(description: Description) {
    this.#description = description;
    this.#old = !description.version.startsWith('3.1');
    const options = {
      strict: false,
      allErrors: true,
      validateFormats: false,
      unicodeRegExp: false,
      logger: false,
    } as const;
    this.#strict = new Ajv2020(options);
    this.#forms = new Ajv2020({ ...options, coerceTypes: 'array' });
  }

  /** `written`: all values are texts, as in a query or a form. */
  flaws(schema: unknown, value: unknown, written = false): Flaw[] {
    const branches = this.#branches(schema);
    if (branches !== null) {
      const judged = branches.map((branch) => this.flaws(branch, value, written));
      return judged.reduce((best, one) => (worse(best) > worse(one) ? one : best));
    }
    const key = `${written} ${JSON.stringify(schema)}`;
    const validate = this.#compiled.get(key) ?? this.#compile(schema, written);
    this.#compiled.set(key, validate);
    return validate(structuredClone(value)) ? [] : flawsOf(validate.errors ?? []);
  }

  /** Of a schema that is nothing but a choice; null: it is more, or something else. */
  #branches(schema: unknown): unknown[] | null {
    if (!isObject(schema)) return null;
    if (typeof schema.$ref === 'string')
      return this.#branches(pointed(this.#description.document, schema.$ref));
    const branches = [...listOf(schema.oneOf), ...listOf(schema.anyOf)];
    const alone = !['properties', 'allOf', 'required', 'items'].some((keyword) => keyword in schema);
    return alone && schema.nullable !== true && branches.length > 0 ? branches : null;
  }

  #compile(schema: unknown, written: boolean): ValidateFunction {
    const names = new Map<string, string>();
    const wanted: [string, string, boolean][] = [];
    const use = (pointer: string, closed: boolean) => {
      const key = `${closed ? 'closed' : 'open'} ${pointer}`;
      const name = names.get(key) ?? `d${names.size}`;
      if (!names.has(key)) wanted.push([name, pointer, closed]);
      names.set(key, name);
      return { $ref: `#/$defs/${name}` };
    };
    const root = this.#convert(schema, true, use);
    const $defs: Json = {};
    for (let next = wanted.shift(); next; next = wanted.shift()) {
      const [name, pointer, closed] = next;
      $defs[name] = this.#convert(pointed(this.#description.document, pointer), closed, use);
    }
    return (written ? this.#forms : this.#strict).compile({ ...root, $defs });
  }

  #convert(schema: unknown, closed: boolean, use: (pointer: string, closed: boolean) => Json): Json {
    if (!isObject(schema)) return schema === false ? { not: {} } : {};
    if (typeof schema.$ref === 'string') return use(schema.$ref, closed);
    const made: Json = {};
    for (const keyword of KEPT) if (keyword in schema) made[keyword] = schema[keyword];
    if (!Array.isArray(made.required)) delete made.required;
    if (made.type === 'file') made.type = 'string';
    // A schema that was written with an empty list means nothing by it.
    if (Array.isArray(made.enum) && made.enum.length === 0) delete made.enum;
    bounds(made, schema);
    if (!isPattern(made.pattern)) delete made.pattern;
    if (isObject(schema.properties))
      made.properties = Object.fromEntries(
        Object.entries(schema.properties).map(([name, one]) => [name, this.#convert(one, true, use)]),
      );
    if (isObject(schema.patternProperties))
      made.patternProperties = Object.fromEntries(
        Object.entries(schema.patternProperties).map(([name, one]) => [name, this.#convert(one, true, use)]),
      );
    if ('items' in schema) made.items = this.#convert(schema.items, true, use);
    for (const join of JOINED)
      if (join in schema && listOf(schema[join]).length > 0)
        made[join === 'oneOf' && !('anyOf' in schema) ? 'anyOf' : join] = listOf(schema[join]).map((one) =>
          this.#convert(one, false, use),
        );
    if (isObject(schema.additionalProperties))
      made.additionalProperties = this.#convert(schema.additionalProperties, true, use);
    else if (schema.additionalProperties === true) made.additionalProperties = true;
    else if (closed && namesFields(schema)) made.unevaluatedProperties = false;
    return this.#old && schema.nullable === true ? { anyOf: [made, { type: 'null' }] } : made;
  }
}

/** A schema that says nothing of its fields takes any. */
function namesFields(schema: Json): boolean {
  if (Object.keys(objectOf(schema.properties)).length > 0) return true;
  return JOINED.some((join) => listOf(schema[join]).length > 0);
}

/** OpenAPI 2 and 3.0 write `exclusiveMinimum: true` beside `minimum`. */
function bounds(made: Json, schema: Json): void {
  for (const [exclusive, bound] of [
    ['exclusiveMinimum', 'minimum'],
    ['exclusiveMaximum', 'maximum'],
  ] as const) {
    if (typeof schema[exclusive] === 'number') made[exclusive] = schema[exclusive];
    if (schema[exclusive] !== true) continue;
    made[exclusive] = schema[bound];
    delete made[bound];
  }
}

function isPattern(pattern: unknown): boolean {
  try {
    return typeof pattern === 'string' && new RegExp(pattern) instanceof RegExp;
  } catch {
    return false;
  }
}

/** Of a choice of which nothing fits only what lies deepest is told: there somebody meant one of the branches. */
function flawsOf(errors: ErrorObject[]): Flaw[] {
  const choices = errors.filter(({ keyword }) => keyword === 'anyOf');
  const told = errors.filter((error) => {
    if (error.keyword === 'anyOf' || error.keyword === 'if') return false;
    // What a branch that does not fit leaves unevaluated is no unknown field of the whole.
    const choice = choices.find(({ schemaPath }) => error.schemaPath.startsWith(schemaPath));
    if (choice === undefined)
      return !(error.keyword === 'unevaluatedProperties' && choices.some(within(error)));
    const inside = errors.filter((one) => one.schemaPath.startsWith(choice.schemaPath) && one !== choice);
    const deepest = Math.max(...inside.map(depth));
    return depth(error) === deepest;
  });
  const flaws = (told.length === 0 ? errors : told).map((error) => ({
    at: error.instancePath.slice(1).replaceAll('/', '.'),
    message: wordsOf(error),
  }));
  const seen = new Map(flaws.map((flaw) => [`${flaw.at} ${flaw.message}`, flaw]));
  return [...seen.values()];
}

/** A branch whose constants are others was not meant. */
const worse = (flaws: readonly Flaw[]) =>
  flaws.reduce(
    (sum, { message }) => sum + (/^must be (one of|equal to constant)/.test(message) ? 100 : 1),
    0,
  );

const depth = ({ instancePath }: ErrorObject) => instancePath.split('/').length;
const within = (error: ErrorObject) => (choice: ErrorObject) =>
  choice.instancePath.startsWith(error.instancePath);

function wordsOf({ keyword, params, message }: ErrorObject): string {
  if (keyword === 'unevaluatedProperties' || keyword === 'additionalProperties')
    return `unknown field ${JSON.stringify(params.unevaluatedProperty ?? params.additionalProperty)}`;
  if (keyword === 'required') return `missing field ${JSON.stringify(params.missingProperty)}`;
  if (keyword === 'enum') return `must be one of ${JSON.stringify(params.allowedValues).slice(0, 200)}`;
  return message ?? keyword;
}

/** A Smithy model of a REST API with JSON bodies (Amazon's `restJson1`), as the same API would stand in OpenAPI 3.1. Pure. */
import { isObject, type Json, listOf, objectOf } from './json.ts';

const TRAIT = 'smithy.api#';
const SIMPLE: Readonly<Record<string, Json>> = {
  string: { type: 'string' },
  enum: { type: 'string' },
  blob: { type: 'string' },
  boolean: { type: 'boolean' },
  byte: { type: 'integer' },
  short: { type: 'integer' },
  integer: { type: 'integer' },
  long: { type: 'integer' },
  intEnum: { type: 'integer' },
  float: { type: 'number' },
  double: { type: 'number' },
  timestamp: { type: ['number', 'string'] },
  document: {},
};
/** Of Smithy itself, `smithy.api#String` and the like. */
const PRELUDE = /^smithy\.api#(?:Primitive)?(\w+)$/;

const ref = (id: string) => ({ $ref: `#/components/schemas/${encodeURIComponent(id)}` });
const trait = (shape: unknown, name: string): unknown => objectOf(objectOf(shape).traits)[TRAIT + name];
const has = (shape: unknown, name: string): boolean => trait(shape, name) !== undefined;

export function smithyDocument(model: Json): Json {
  const shapes = objectOf(model.shapes);
  const paths: Record<string, Json> = {};
  for (const shape of Object.values(shapes)) {
    const http = objectOf(trait(shape, 'http'));
    if (objectOf(shape).type !== 'operation' || typeof http.uri !== 'string') continue;
    const path = http.uri.split('?')[0]!.replaceAll('+}', '}');
    paths[path] ??= {};
    paths[path][String(http.method).toLowerCase()] = operationOf(shapes, objectOf(shape), http);
  }
  const schemas = Object.fromEntries(
    Object.entries(shapes).map(([id, shape]) => [id, schemaOf(objectOf(shape))]),
  );
  return { openapi: '3.1.0', paths, components: { schemas } };
}

function operationOf(shapes: Json, operation: Json, http: Json): Json {
  const members = Object.entries(objectOf(shapeAt(shapes, operation.input).members));
  const parameters = members.flatMap(([name, member]) => {
    const place = has(member, 'httpLabel') ? 'path' : has(member, 'httpQuery') ? 'query' : 'header';
    if (!isBound(member)) return [];
    const named = trait(member, 'httpQuery') ?? trait(member, 'httpHeader');
    return [
      {
        name: typeof named === 'string' ? named : name,
        in: place,
        required: has(member, 'required'),
        schema: targetOf(member),
      },
    ];
  });
  const body = structure(members.filter(([, member]) => !isBound(member)));
  const good = targetSchema(operation.output);
  return {
    parameters,
    ...(Object.keys(objectOf(body.properties)).length === 0
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: body } } } }),
    responses: {
      [String(http.code ?? 200)]: { content: { 'application/json': { schema: good } } },
      ...errorsOf(shapes, operation),
    },
  };
}

function errorsOf(shapes: Json, operation: Json): Json {
  const byStatus: Record<string, Json[]> = {};
  for (const error of listOf(operation.errors)) {
    const status = String(trait(shapeAt(shapes, error), 'httpError') ?? 400);
    byStatus[status] ??= [];
    byStatus[status].push(targetSchema(error));
  }
  return Object.fromEntries(
    Object.entries(byStatus).map(([status, anyOf]) => [
      status,
      { content: { 'application/json': { schema: { anyOf } } } },
    ]),
  );
}

const shapeAt = (shapes: Json, member: unknown): Json => objectOf(shapes[String(objectOf(member).target)]);
const isBound = (member: unknown) =>
  ['httpLabel', 'httpQuery', 'httpHeader', 'httpQueryParams'].some((name) => has(member, name));

function targetSchema(member: unknown): Json {
  const { target } = objectOf(member);
  return typeof target === 'string' && !PRELUDE.test(target) ? ref(target) : {};
}

function targetOf(member: unknown): Json {
  const target = String(objectOf(member).target);
  const own = PRELUDE.exec(target)?.[1];
  return own === undefined ? ref(target) : (SIMPLE[own.toLowerCase()] ?? {});
}

function structure(members: [string, unknown][]): Json {
  const properties = Object.fromEntries(
    members.map(([name, member]) => [String(trait(member, 'jsonName') ?? name), targetOf(member)]),
  );
  const required = members.filter(([, member]) => has(member, 'required')).map(([name]) => name);
  return { type: 'object', properties, ...(required.length === 0 ? {} : { required }) };
}

function schemaOf(shape: Json): Json {
  const members = objectOf(shape.members);
  switch (shape.type) {
    case 'structure':
    case 'union':
      return structure(Object.entries(members));
    case 'list':
      return { type: 'array', items: targetOf(shape.member) };
    case 'map':
      return { type: 'object', additionalProperties: targetOf(shape.value) };
    case 'enum':
      return {
        type: 'string',
        enum: Object.entries(members).map(([name, member]) => trait(member, 'enumValue') ?? name),
      };
    default: {
      const length = objectOf(trait(shape, 'length'));
      return {
        ...SIMPLE[String(shape.type)],
        ...(shape.type === 'string' && isObject(trait(shape, 'length'))
          ? {
              minLength: Number(length.min ?? 0),
              ...(length.max === undefined ? {} : { maxLength: Number(length.max) }),
            }
          : {}),
        ...(typeof trait(shape, 'pattern') === 'string' ? { pattern: trait(shape, 'pattern') } : {}),
      };
    }
  }
}

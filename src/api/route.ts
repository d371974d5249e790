/**
 * What a resource file is made of: a list of routes, each its method, path, scope, schemas and handler. This file
 * says what a route is; `register.ts` makes Fastify routes of them.
 */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { ProblemCode } from '../kernel/problem.ts';
import type { Caller, Scope } from '../tenancy/roles.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** An answer that is not JSON. */
export interface Media {
  media: 'text/html' | 'text/csv' | 'text/plain' | 'message/rfc822' | 'application/octet-stream';
  about: string;
}

type Schema = z.ZodType | undefined;
type Out<S extends Schema> = S extends z.ZodType ? z.output<S> : undefined;

export interface Input<P extends Schema, Q extends Schema, B extends Schema> {
  params: Out<P>;
  query: Out<Q>;
  body: Out<B>;
  /** For uploads and streams; everything else needs neither. */
  request: FastifyRequest;
  reply: FastifyReply;
}

export interface Answer {
  status: number;
  body?: unknown;
  headers?: Record<string, string>;
}

interface Described {
  method: Method;
  /** `/api/things/:id` */
  path: string;
  tag: string;
  /** A few words: "Revoke an API key". */
  summary: string;
  /** More, in Markdown. */
  about?: string;
  /** By status: the schema of the JSON body, null for none, or another media type. */
  answers: Record<number, z.ZodType | Media | null>;
  /** Codes this route can refuse with, besides those that every such route has (see `register.ts`). */
  problems?: readonly ProblemCode[];
  /** Takes multipart/form-data instead of JSON: a file, and these text fields. */
  upload?: z.ZodRawShape;
  /** The path holds a secret (a token): it is not logged. */
  secretPath?: boolean;
  /** Bytes of the largest JSON body, where it is more than the configured limit. */
  bodyLimit?: number;
  /**
   * Public routes only: answered whatever comes with the request. Any query is let through, and of a body of any
   * type its first kilobytes are given to the handler as text.
   */
  lenient?: boolean;
  /** Public routes only: the body is given to the handler as its bytes, up to so many; any type and query is let through. */
  raw?: number;
}

interface Schemas<P extends Schema, Q extends Schema, B extends Schema> {
  /** What does not fit is a 404: such a path names nothing. */
  params?: P;
  /** A strict object. */
  query?: Q;
  /** A strict object (or a union of them). An empty body reads as `{}`. */
  body?: B;
}

export interface RouteSpec<P extends Schema, Q extends Schema, B extends Schema>
  extends Described,
    Schemas<P, Q, B> {
  scope: Scope;
  handle(caller: Caller, input: Input<P, Q, B>): Promise<Answer>;
}

export interface PublicRouteSpec<P extends Schema, Q extends Schema, B extends Schema>
  extends Described,
    Schemas<P, Q, B> {
  handle(from: { request_id: string; ip: string }, input: Input<P, Q, B>): Promise<Answer>;
}

/** A route whose types were checked where it was written. */
export interface Route extends Described {
  params?: z.ZodType | undefined;
  query?: z.ZodType | undefined;
  body?: z.ZodType | undefined;
  /** null: open to anybody. */
  scope: Scope | null;
  handle(caller: never, input: Input<undefined, undefined, undefined>): Promise<Answer>;
}

/** A route for callers with an API key (or a session) that has this scope. */
export function route<
  P extends Schema = undefined,
  Q extends Schema = undefined,
  B extends Schema = undefined,
>(spec: RouteSpec<P, Q, B>): Route {
  return spec as unknown as Route;
}

/** A route for anybody: no tenant data, or a token in the path says whose. */
export function publicRoute<
  P extends Schema = undefined,
  Q extends Schema = undefined,
  B extends Schema = undefined,
>(spec: PublicRouteSpec<P, Q, B>): Route {
  return { ...spec, scope: null } as unknown as Route;
}

export function ok(body: unknown): Answer {
  return { status: 200, body };
}

/** `location`: the path of what was made. */
export function created(body: unknown, location?: string): Answer {
  return location === undefined ? { status: 201, body } : { status: 201, body, headers: { location } };
}

/** Accepted: it goes on in the background; `location` is where its progress shows. */
export function accepted(body: unknown, location?: string): Answer {
  return location === undefined ? { status: 202, body } : { status: 202, body, headers: { location } };
}

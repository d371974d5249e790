/** A provider that answers as it is told, word by word, and what an adapter makes of it. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect } from 'vitest';
import type { Adapter, SendOutcome, SendRequest } from '../../src/channels/channel.ts';

export type Answer = [status: number, body: unknown, headers?: Record<string, string>];
/** The outcome as `accepted id`, `permanence reason wait`, or `ambiguous reason`. */
export type Case = [Answer, string];

/** Of every provider. */
export const COMMON: Case[] = [
  [[408, ''], 'ambiguous status_408'],
  [[502, '<html>'], 'ambiguous status_502'],
  [[503, '', { 'retry-after': '5' }], 'transient unavailable 5000'],
  [[504, '<html>'], 'ambiguous status_504'],
];

/** Call in a `describe`. */
export function answering() {
  let server: Server;
  let answer: Answer;
  beforeAll(async () => {
    server = createServer((incoming, response) => {
      const [status, body, headers] = incoming.method === 'POST' ? answer : [200, {}];
      incoming.resume().on('end', () => {
        response.writeHead(status, headers);
        response.end(typeof body === 'string' ? body : JSON.stringify(body));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  return {
    address: () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async send(given: Answer, adapter: Adapter, config: object, request: SendRequest): Promise<SendOutcome> {
      answer = given;
      const connection = adapter.connect(adapter.config.parse(config));
      const outcome = await connection.send(request);
      await connection.close();
      return outcome;
    },
  };
}

/** `tolerance_ms`: where an answer names a moment, a clock runs until it is read. */
export function expectOutcome(outcome: SendOutcome, expected: string, tolerance_ms = 0): void {
  const [kind, reason, wait] = expected.split(' ');
  if (kind === 'accepted')
    expect(outcome).toMatchObject(reason === undefined ? { kind } : { kind, provider_id: reason });
  else if (kind === 'ambiguous') expect(outcome).toMatchObject({ kind, reason });
  else expect(outcome).toMatchObject({ kind: 'refused', permanence: kind, reason });
  const waited = outcome.kind === 'refused' ? (outcome.retry_after_ms ?? 0) : 0;
  expect(Math.abs(waited - Number(wait ?? 0))).toBeLessThanOrEqual(tolerance_ms);
}

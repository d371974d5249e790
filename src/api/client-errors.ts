/** What is not even an HTTP request: answered on the bare socket, as a problem document like everything else. */
import type { Socket } from 'node:net';
import { newId } from '../kernel/ids.ts';
import { PROBLEMS, Problem, type ProblemCode } from '../kernel/problem.ts';
import { problemDocument } from './problems.ts';

const BY_CODE: Record<string, ProblemCode> = { HPE_HEADER_OVERFLOW: 'headers_too_large' };

export function installClientErrors(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const code = BY_CODE[error.code ?? ''] ?? 'malformed_request';
  const document = problemDocument(new Problem(code, PROBLEMS[code].title), { id: newId(), path: '/' });
  const body = JSON.stringify(document);
  socket.end(
    `HTTP/1.1 ${document.status} Error\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

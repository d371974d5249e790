/**
 * One message over one session, and how far it got. Everything the engine may believe about a cut hangs on one
 * fact: whether the final dot can have left this process. It is the library that writes the dot, and only after
 * the content stream given to it has ended; so the stream itself keeps the mark, set before it lets its end be
 * seen. A mark not set proves that no server can have accepted the message; a mark set proves nothing.
 */
import { Readable } from 'node:stream';
import type { SendOutcome } from '../channel.ts';
import type { Composed } from './compose.ts';
import { clip, type ReplyStage, refusal } from './reply.ts';
import type { Session, SmtpError } from './session.ts';

/** Small, so that the end is reached only when nearly all of a large body has been taken by the network. */
const CHUNK_BYTES = 16_384;

class Content extends Readable {
  readonly #raw: Buffer;
  #offset = 0;
  #stopped = false;
  /** True from before the library can learn that the content is complete. */
  final_dot_possible = false;

  constructor(raw: Buffer) {
    super({ highWaterMark: CHUNK_BYTES });
    this.#raw = raw;
  }

  get started(): boolean {
    return this.#offset > 0;
  }

  /** After this the end is never let out. */
  stop(): void {
    this.#stopped = true;
  }

  override _read(): void {
    if (this.#stopped) return;
    if (this.#offset >= this.#raw.length) {
      this.final_dot_possible = true;
      this.push(null);
      return;
    }
    const chunk = this.#raw.subarray(this.#offset, this.#offset + CHUNK_BYTES);
    this.#offset += chunk.length;
    this.push(chunk);
  }
}

export interface Transferred {
  outcome: SendOutcome;
  /** The connection was lost before any of the content was sent. */
  lost_early: boolean;
}

/** Sends one message before `deadline` (Unix milliseconds). Closes the connection unless it can be used again. */
export function transfer(session: Session, message: Composed, deadline: number): Promise<Transferred> {
  const { connection } = session;
  const content = new Content(message.raw);
  session.used += 1;
  return new Promise((resolve) => {
    const finish = (outcome: SendOutcome, lost_early = false): void => {
      clearTimeout(timer);
      connection.off('end', ended);
      content.stop();
      session.needs_reset = outcome.kind !== 'accepted';
      // Whatever is unclear about the message makes the connection unusable too.
      if (outcome.kind === 'ambiguous') connection.close();
      resolve({ outcome, lost_early });
    };
    const cut = (cause: string): void => {
      // Judged after closing: from here on nothing can be written any more.
      connection.close();
      finish(cutOutcome(content, cause), !content.started);
    };
    const timer = setTimeout(() => {
      content.stop();
      cut('no answer in time');
    }, deadline - Date.now());
    // The library reports a lost connection through the callback of `send`; this is for the case it does not.
    const ended = () => setImmediate(cut, 'the connection was closed');
    connection.once('end', ended);

    const envelope = {
      from: message.envelope.from.address,
      to: message.envelope.to.address,
      size: message.raw.length,
    };
    connection.send(envelope, content, (error, info) => {
      if (!error) return finish(accepted(info));
      const outcome = refusedOutcome(error, content);
      if (outcome) return finish(outcome);
      cut(clip(error.message));
    });
  });
}

function accepted(info: { response: string; serverMessageId?: string | undefined } | undefined): SendOutcome {
  const response = clip(info?.response ?? '');
  const id = info?.serverMessageId ?? /\bqueued as (\S+)/i.exec(response)?.[1];
  return { kind: 'accepted', response, ...(id === undefined ? {} : { provider_id: id }) };
}

function refusedOutcome(error: SmtpError, content: Content): SendOutcome | null {
  if (error.response) return refusal(error.response, replyStage(error, content));
  // The library compares the size with what EHLO announced and asks nothing of the server.
  if (error.code === 'EMESSAGE' && !content.started) {
    const response = clip(error.message);
    return { kind: 'refused', permanence: 'permanent', reason: 'content_rejected', response };
  }
  return null;
}

function replyStage(error: SmtpError, content: Content): ReplyStage {
  if (error.command === 'MAIL FROM') return 'mail';
  if (error.command === 'RCPT TO') return 'rcpt';
  return error.command === 'DATA' || content.started ? 'data' : 'mail';
}

function cutOutcome(content: Content, cause: string): SendOutcome {
  if (content.final_dot_possible) {
    return { kind: 'ambiguous', reason: `${cause}, after the message may have been complete` };
  }
  const where = content.started ? 'inside the message' : 'before the message';
  return {
    kind: 'refused',
    permanence: 'transient',
    reason: 'unavailable',
    response: `${cause}, ${where}; nothing was accepted`,
  };
}

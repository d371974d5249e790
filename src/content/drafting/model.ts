/**
 * Asks a language model, any that speaks the chat completions of OpenAI, and reads its answer as it streams. Whatever
 * the server does is an outcome: too slow, an error, rubbish, an answer without end. Nothing it says is trusted further
 * than as a text that a person will read.
 */
import { z } from 'zod';

export interface ModelSettings {
  /** Up to and with `/v1`. */
  url: string;
  key?: string | undefined;
  model: string;
  /** For the whole answer, milliseconds. */
  timeout_ms: number;
}

export interface Prompt {
  system: string;
  user: string;
}

export type ModelFailure = 'timeout' | 'unreachable' | 'refused' | 'rubbish' | 'too_long';

/** `tokens`: what it cost, as far as that is known. */
export type ModelAnswer =
  | { ok: true; text: string; tokens: number }
  | { ok: false; reason: ModelFailure; detail: string; tokens: number };

export const MAX_ANSWER_TOKENS = 1_000;
const MAX_ANSWER_CHARS = 16_000;
/** With what the protocol puts around each word. */
const MAX_ANSWER_BYTES = 4_000_000;
const CHARS_A_TOKEN = 3;

/** On the high side: a budget is no place for hope. */
export function estimatedTokens(text: string): number {
  return Math.ceil(text.length / CHARS_A_TOKEN);
}

export async function askModel(settings: ModelSettings, prompt: Prompt): Promise<ModelAnswer> {
  const signal = AbortSignal.timeout(settings.timeout_ms);
  const asked = estimatedTokens(prompt.system + prompt.user);
  try {
    const response = await fetch(`${settings.url}/chat/completions`, request(settings, prompt, signal));
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      return { ok: false, reason: 'refused', detail: `HTTP ${response.status}`, tokens: 0 };
    }
    return await readAnswer(response.body, asked);
  } catch (error) {
    // What it had written until then was paid for, and nobody knows how much that is.
    if (signal.aborted)
      return {
        ok: false,
        reason: 'timeout',
        detail: `no answer in ${settings.timeout_ms} ms`,
        tokens: asked + MAX_ANSWER_TOKENS,
      };
    return { ok: false, reason: 'unreachable', detail: String((error as Error).message), tokens: asked };
  }
}

function request({ key, model }: ModelSettings, prompt: Prompt, signal: AbortSignal): RequestInit {
  return {
    method: 'POST',
    signal,
    // A key goes where it was meant to go.
    redirect: 'error',
    headers: {
      'content-type': 'application/json',
      accept: 'text/event-stream',
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
    },
    body: JSON.stringify({
      model,
      stream: true,
      stream_options: { include_usage: true },
      max_tokens: MAX_ANSWER_TOKENS,
      messages: [
        { role: 'system', content: prompt.system },
        { role: 'user', content: prompt.user },
      ],
    }),
  };
}

const chunk = z.object({
  choices: z
    .array(
      z.object({
        delta: z.object({ content: z.string().nullish() }).nullish(),
        finish_reason: z.string().nullish(),
      }),
    )
    .default([]),
  usage: z.object({ total_tokens: z.int().min(0).max(10_000_000) }).nullish(),
});

interface Reading {
  text: string;
  tokens: number | null;
  finish: string | null;
  done: boolean;
}

async function readAnswer(body: ReadableStream<Uint8Array>, asked: number): Promise<ModelAnswer> {
  const reading: Reading = { text: '', tokens: null, finish: null, done: false };
  const fail = (reason: ModelFailure, detail: string): ModelAnswer => ({
    ok: false,
    reason,
    detail,
    tokens: reading.tokens ?? asked + estimatedTokens(reading.text),
  });
  const decoder = new TextDecoder();
  let rest = '';
  let bytes = 0;
  for await (const piece of body) {
    bytes += piece.length;
    if (bytes > MAX_ANSWER_BYTES) return fail('too_long', 'the answer does not end');
    const lines = (rest + decoder.decode(piece, { stream: true })).split(/\r?\n/);
    rest = lines.pop() ?? '';
    for (const line of lines) if (!readLine(line, reading)) return fail('rubbish', 'no event stream');
    if (reading.text.length > MAX_ANSWER_CHARS) return fail('too_long', 'the text is too long');
  }
  if (!reading.done && reading.finish === null) return fail('rubbish', 'the answer was cut off');
  if (reading.finish === 'length') return fail('too_long', 'the text is too long');
  const text = reading.text.trim();
  if (text === '') return fail('rubbish', 'the answer is empty');
  return { ok: true, text, tokens: reading.tokens ?? asked + estimatedTokens(text) };
}

/** One line of the stream; false: that is none. */
function readLine(line: string, reading: Reading): boolean {
  if (line === '' || line.startsWith(':') || line.startsWith('event:')) return true;
  if (!line.startsWith('data:')) return false;
  const data = line.slice('data:'.length).trim();
  if (data === '[DONE]') {
    reading.done = true;
    return true;
  }
  const parsed = chunk.safeParse(json(data));
  if (!parsed.success) return false;
  const { choices, usage } = parsed.data;
  reading.text += choices[0]?.delta?.content ?? '';
  reading.finish = choices[0]?.finish_reason ?? reading.finish;
  reading.tokens = usage?.total_tokens ?? reading.tokens;
  return true;
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

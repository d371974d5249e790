/** Trying an account without sending: the calls share one time limit, each finding is one line a person can act on. */
import type { VerifyOptions, VerifyOutcome } from '../channel.ts';
import { type Call, type Called, call, type HttpAnswer, newAgent } from './call.ts';
import { summary } from './outcome.ts';

export interface Trial {
  ask(call: Omit<Call, 'timeout_ms'>): Promise<Called>;
  pass(name: string, detail: string): void;
  fail(name: string, detail: string): void;
}

/** Runs the checks in order; the first that failed is the verdict, else `ready`. */
export async function verifyOver(
  { timeout_ms, network }: Omit<VerifyOptions, 'from'>,
  ready: string,
  run: (trial: Trial) => Promise<void>,
): Promise<VerifyOutcome> {
  const deadline = Date.now() + timeout_ms;
  const agent = newAgent(1, network);
  const checks: VerifyOutcome['checks'] = [];
  await run({
    ask: (wanted) => call(agent, { ...wanted, timeout_ms: Math.max(1, deadline - Date.now()) }),
    pass: (name, detail) => checks.push({ name, ok: true, detail }),
    fail: (name, detail) => checks.push({ name, ok: false, detail }),
  });
  agent.destroy();
  const failed = checks.find((check) => !check.ok);
  return { ok: failed === undefined, detail: failed?.detail ?? ready, checks };
}

/** The check `connect`: the answer, or null when there is none. */
export function connected(trial: Trial, base_url: string, called: Called): HttpAnswer | null {
  if (called.kind === 'answered') {
    trial.pass('connect', `${base_url} answers.`);
    return called.answer;
  }
  trial.fail('connect', advice(base_url, called));
  return null;
}

/** The check `sign_in`, by status: true when the key was taken. `limited` is the answer to a key that may only send. */
export function signedIn(
  trial: Trial,
  answer: HttpAnswer,
  limited: (answer: HttpAnswer) => boolean = () => false,
): boolean {
  if (limited(answer)) {
    trial.pass('sign_in', 'The key is accepted; it may send, and not be asked for more.');
    return true;
  }
  const { status } = answer;
  if (status >= 200 && status < 300 && answer.complete) {
    trial.pass('sign_in', 'The key is accepted.');
    return true;
  }
  const said = summary(answer);
  if (status === 401 || status === 403) trial.fail('sign_in', `The key is not accepted: ${said}`);
  else if (status === 404 || (status >= 300 && status < 400))
    trial.fail('sign_in', `There is no such API at this base_url: ${said}`);
  else trial.fail('sign_in', `The provider cannot answer now: ${said}`);
  return false;
}

export function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1).toLowerCase();
}

function advice(base_url: string, called: Exclude<Called, { kind: 'answered' }>): string {
  const { reason } = called;
  if (called.kind === 'forbidden') return `${base_url} may not be reached: ${reason}`;
  if (reason === 'ECONNREFUSED') return `Nothing listens at ${base_url}; check base_url.`;
  if (reason === 'ENOTFOUND' || reason === 'EAI_AGAIN') return `The host of ${base_url} does not exist.`;
  if (reason === 'timeout' || reason === 'connect_timeout') return `${base_url} did not answer in time.`;
  if (/CERT|SELF_SIGNED|UNABLE_TO_|ALTNAME/.test(reason))
    return `The certificate of ${base_url} is not trusted (${reason}).`;
  return `The connection to ${base_url} failed: ${reason}`;
}

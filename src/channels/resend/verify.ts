/** Trying a Resend account: is the key known, and is the sender's domain verified. */
import type { VerifyOptions, VerifyOutcome } from '../channel.ts';
import { at, jsonObject, text } from '../http/json.ts';
import { connected, domainOf, signedIn, verifyOver } from '../http/verify.ts';
import type { ResendConfig } from './config.ts';

export function verifyResend(config: ResendConfig, options: VerifyOptions): Promise<VerifyOutcome> {
  const ready = 'Resend is ready to send.';
  return verifyOver(options, ready, async (trial) => {
    const called = await trial.ask({
      method: 'GET',
      url: `${config.base_url}/domains`,
      headers: { authorization: `Bearer ${config.api_key}`, accept: 'application/json' },
    });
    const answer = connected(trial, config.base_url, called);
    const limited = (body: string) => text(jsonObject(body), 'name') === 'restricted_api_key';
    if (!answer || !signedIn(trial, answer, ({ body }) => limited(body))) return;
    if (limited(answer.body)) return;
    const domains = at(jsonObject(answer.body), 'data');
    const domain = domainOf(options.from);
    const found = (Array.isArray(domains) ? domains : []).find((one) => text(one, 'name') === domain);
    if (text(found, 'status') === 'verified') trial.pass('sender', `${domain} is verified.`);
    else if (found === undefined) trial.fail('sender', `${domain} is not among the account's domains.`);
    else trial.fail('sender', `${domain} is not verified yet: ${text(found, 'status') ?? 'no status'}.`);
  });
}

/** Trying an SES account: are the credentials known, may it send, is the sender's identity verified. */
import type { VerifyOptions, VerifyOutcome } from '../channel.ts';
import type { HttpAnswer } from '../http/call.ts';
import { at, jsonObject, text } from '../http/json.ts';
import { connected, domainOf, signedIn, type Trial, verifyOver } from '../http/verify.ts';
import type { SesConfig } from './config.ts';
import { errorType } from './refusal.ts';
import { signed } from './sign.ts';

export function verifySes(config: SesConfig, options: VerifyOptions): Promise<VerifyOutcome> {
  const ready = `SES in ${config.region} is ready to send.`;
  return verifyOver(options, ready, async (trial) => {
    const called = await get(trial, config, '/v2/email/account');
    const answer = connected(trial, config.base_url, called);
    // Signed well, and allowed to send alone.
    const limited = (one: HttpAnswer) => errorType(one).startsWith('AccessDenied');
    if (!answer || !signedIn(trial, answer, limited)) return;
    if (limited(answer)) return;
    const account = jsonObject(answer.body);
    if (at(account, 'SendingEnabled') === false) trial.fail('account', 'Sending is paused for this account.');
    else if (at(account, 'ProductionAccessEnabled') === false)
      trial.pass('account', 'The account is in the SES sandbox: it may write to verified addresses alone.');
    else trial.pass('account', 'The account may send.');
    await identity(trial, config, options.from);
  });
}

/** The address itself, or its domain. */
async function identity(trial: Trial, config: SesConfig, from: string): Promise<void> {
  const domain = domainOf(from);
  for (const name of [domain, from]) {
    const called = await get(trial, config, `/v2/email/identities/${encodeURIComponent(name)}`);
    if (called.kind !== 'answered') continue;
    const found = jsonObject(called.answer.body);
    if (called.answer.status === 200 && at(found, 'VerifiedForSendingStatus') === true) {
      trial.pass('sender', `${name} is verified.`);
      return;
    }
    if (called.answer.status === 200) {
      const status = text(found, 'VerificationStatus') ?? 'not verified';
      trial.fail('sender', `${name} is not verified yet: ${status}.`);
      return;
    }
  }
  trial.fail('sender', `Neither ${from} nor ${domain} is an identity of SES in ${config.region}.`);
}

function get(trial: Trial, config: SesConfig, path: string) {
  const call = {
    method: 'GET' as const,
    url: `${config.base_url}${path}`,
    headers: { accept: 'application/json' },
  };
  return trial.ask({ ...call, headers: signed(call, { ...config, service: 'ses' }, new Date()) });
}

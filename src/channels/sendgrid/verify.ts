/** Trying a SendGrid key: is it known, and may it send. */
import type { VerifyOptions, VerifyOutcome } from '../channel.ts';
import { at, jsonObject } from '../http/json.ts';
import { connected, signedIn, verifyOver } from '../http/verify.ts';
import type { SendgridConfig } from './config.ts';

export function verifySendgrid(config: SendgridConfig, options: VerifyOptions): Promise<VerifyOutcome> {
  const ready = 'SendGrid is ready to send.';
  return verifyOver(options, ready, async (trial) => {
    const called = await trial.ask({
      method: 'GET',
      url: `${config.base_url}/v3/scopes`,
      headers: { authorization: `Bearer ${config.api_key}`, accept: 'application/json' },
    });
    const answer = connected(trial, config.base_url, called);
    if (!answer || !signedIn(trial, answer)) return;
    const scopes = at(jsonObject(answer.body), 'scopes');
    if (Array.isArray(scopes) && scopes.includes('mail.send'))
      trial.pass('permission', 'The key may send mail.');
    else trial.fail('permission', 'The key may not send mail: it needs the permission "Mail Send".');
  });
}

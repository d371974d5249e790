/** Trying a gateway: is the key known, does its session work, and is it that of the sender's number. */
import type { VerifyOptions, VerifyOutcome } from '../channel.ts';
import { jsonObject, text } from '../http/json.ts';
import { connected, signedIn, verifyOver } from '../http/verify.ts';
import { credentials, type WahaConfig } from './config.ts';

export function verifyWaha(config: WahaConfig, options: VerifyOptions): Promise<VerifyOutcome> {
  return verifyOver(options, 'The gateway is ready to send.', async (trial) => {
    const called = await trial.ask({
      method: 'GET',
      url: `${config.base_url}/api/sessions/${config.session}`,
      headers: credentials(config),
    });
    const answer = connected(trial, config.base_url, called);
    if (!answer || !signedIn(trial, answer)) return;
    const session = jsonObject(answer.body);
    const status = text(session, 'status') ?? 'in no known state';
    if (status !== 'WORKING')
      return trial.fail('session', `The session ${config.session} is ${status}; scan its code again.`);
    trial.pass('session', `The session ${config.session} works.`);
    const number = `+${text(session, 'me', 'id')?.replace(/[:@].*$/, '') ?? ''}`;
    if (number === options.from) trial.pass('sender', `The session is that of ${number}.`);
    else trial.fail('sender', `The session is that of ${number}, not of ${options.from}.`);
  });
}

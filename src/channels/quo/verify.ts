/** Trying a Quo workspace: is the key known, and is the sender's number one of its own. */
import type { VerifyOptions, VerifyOutcome } from '../channel.ts';
import { at, jsonObject, text } from '../http/json.ts';
import { connected, signedIn, verifyOver } from '../http/verify.ts';
import { credentials, type QuoConfig } from './config.ts';

export function verifyQuo(config: QuoConfig, options: VerifyOptions): Promise<VerifyOutcome> {
  return verifyOver(options, 'Quo is ready to send.', async (trial) => {
    const called = await trial.ask({
      method: 'GET',
      url: `${config.base_url}/v1/phone-numbers`,
      headers: credentials(config),
    });
    const answer = connected(trial, config.base_url, called);
    if (!answer || !signedIn(trial, answer)) return;
    const numbers = at(jsonObject(answer.body), 'data');
    const own = (Array.isArray(numbers) ? numbers : []).find((one) => text(one, 'number') === options.from);
    if (own === undefined)
      return trial.fail('sender', `${options.from} is not among the numbers of this workspace.`);
    const barred = ['US', 'CA'].filter(
      (country) => text(own, 'restrictions', 'messaging', country) === 'restricted',
    );
    if (barred.length === 0) trial.pass('sender', `${options.from} may send messages.`);
    else
      trial.fail(
        'sender',
        `${options.from} may not send messages to ${barred.join(' and ')} yet: register it.`,
      );
  });
}

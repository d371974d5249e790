/** Trying a WhatsApp Cloud number: is the token known, and is the number the one that the sender names. */
import type { VerifyOptions, VerifyOutcome } from '../channel.ts';
import { at, jsonObject, text } from '../http/json.ts';
import { connected, signedIn, verifyOver } from '../http/verify.ts';
import { credentials, graphUrl, type WhatsappCloudConfig } from './config.ts';

export function verifyWhatsappCloud(
  config: WhatsappCloudConfig,
  options: VerifyOptions,
): Promise<VerifyOutcome> {
  return verifyOver(options, 'The WhatsApp number is ready to send.', async (trial) => {
    const fields = 'display_phone_number,quality_rating,status';
    const called = await trial.ask({
      method: 'GET',
      url: graphUrl(config, `${config.phone_number_id}?fields=${fields}`),
      headers: credentials(config),
    });
    const answer = connected(trial, config.base_url, called);
    if (!answer) return;
    const number = jsonObject(answer.body);
    // Meta answers a bad token with 400 or 401, and a number that is not there with 400 too.
    if (at(number, 'error', 'code') === 100)
      return trial.fail('sender', `There is no number ${config.phone_number_id} that this token may use.`);
    if (!signedIn(trial, answer)) return;
    const shown = `+${(text(number, 'display_phone_number') ?? '').replace(/\D/g, '')}`;
    if (shown !== options.from)
      return trial.fail('sender', `This phone_number_id is ${shown}, not ${options.from}.`);
    const rating = text(number, 'quality_rating') ?? 'unknown';
    trial.pass('sender', `${shown} is the number's own; its quality is ${rating.toLowerCase()}.`);
  });
}

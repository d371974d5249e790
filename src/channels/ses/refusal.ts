/** What the errors of SES mean (API reference: SendEmail, Common Errors). Throttling comes as 400 too. */
import type { RefusalReason } from '../channel.ts';
import type { HttpAnswer } from '../http/call.ts';
import { jsonObject, text } from '../http/json.ts';
import type { Reading } from '../http/outcome.ts';

/** A used-up daily quota: sooner asked again, it only uses up tries. */
const QUOTA_WAIT_MS = 3_600_000;

const ACCOUNT =
  /^(UnrecognizedClient|InvalidSignature|SignatureDoesNotMatch|InvalidClientTokenId|ExpiredToken|AccessDenied|MissingAuthenticationToken|IncompleteSignature|RequestExpired|OptInRequired|NotAuthorized)/;
const THROTTLES = /^(Throttling|TooManyRequests|LimitExceeded|RequestThrottled|SlowDown)/;
const SENDER = /^(MailFromDomainNotVerified|AccountSuspended|SendingPaused|NotFound|ConfigurationSet)/;

export const refused: Reading['refused'] = (answer) => {
  const type = errorType(answer);
  const body = jsonObject(answer.body);
  const message = text(body, 'message') ?? text(body, 'Message') ?? '';
  if (answer.status >= 500) return null;
  if (THROTTLES.test(type) || /rate exceeded/i.test(message))
    return {
      permanence: 'throttled',
      reason: 'throttled',
      ...(/daily/i.test(message) ? { retry_after_ms: QUOTA_WAIT_MS } : {}),
    };
  if (ACCOUNT.test(type)) return { permanence: 'transient', reason: 'bad_credentials' };
  if (SENDER.test(type)) return { permanence: 'permanent', reason: 'sender_rejected' };
  if (type.startsWith('MessageRejected'))
    return {
      permanence: 'permanent',
      reason: /not verified/i.test(message) ? 'sender_rejected' : 'content_rejected',
    };
  if (type.startsWith('BadRequest')) return { permanence: 'permanent', reason: fieldAtFault(message) };
  return null;
};

/** From the header or the body, without what may stand around it: `…#Name`, `Name:http…`. */
export function errorType({ headers, body }: HttpAnswer): string {
  const named = headers['x-amzn-errortype'];
  const type = typeof named === 'string' ? named : (text(jsonObject(body), '__type') ?? '');
  return type.split(':')[0]!.replace(/^.*#/, '');
}

function fieldAtFault(message: string): RefusalReason {
  if (/from|sender|source|reply/i.test(message)) return 'sender_rejected';
  if (/address|destination|domain|recipient/i.test(message)) return 'address_rejected';
  return 'content_rejected';
}

/**
 * Refusals. One table of stable codes with their HTTP status, title and advice; `docs/errors.md` is generated
 * from it. A module refuses by throwing a `Problem`; the HTTP layer turns it into RFC 9457 problem+json and the
 * CLI into a sentence and an exit code.
 */
export const PROBLEMS = {
  invalid_request: {
    status: 400,
    title: 'The request is not valid',
    advice: 'Correct the fields named in `errors` and send it again.',
  },
  malformed_json: {
    status: 400,
    title: 'The body is not valid JSON',
    advice: 'Send a JSON body with Content-Type: application/json.',
  },
  malformed_request: {
    status: 400,
    title: 'This is not a valid HTTP request',
    advice: 'Check the request line, the encoding of the path and the headers.',
  },
  unauthenticated: {
    status: 401,
    title: 'No valid credential',
    advice: 'Send `Authorization: Bearer <API key>`; make one with `npx cadenza keys create --name NAME`.',
  },
  forbidden: {
    status: 403,
    title: 'This credential may not do that',
    advice: 'Use an API key with the scope or role named in `detail`.',
  },
  not_found: {
    status: 404,
    title: 'Not found',
    advice: 'Check the id; it must belong to your organization.',
  },
  method_not_allowed: {
    status: 405,
    title: 'This method is not allowed here',
    advice: 'See the API description for the methods of this path.',
  },
  conflict: {
    status: 409,
    title: 'It conflicts with what is already there',
    advice: 'Read the current state and decide again.',
  },
  illegal_transition: {
    status: 409,
    title: 'That is not possible in the current status',
    advice: 'Read the enrollment; `detail` names its status.',
  },
  touch_in_flight: {
    status: 409,
    title: 'A message of this enrollment is in flight',
    advice: 'Wait until it has settled (see the receipt), then try again.',
  },
  step_refused: {
    status: 409,
    title: 'The step was not carried out',
    advice:
      '`reason` says why. Nothing was sent, and what was written is kept; read the step and decide again.',
  },
  already_enrolled: {
    status: 409,
    title: 'This contact is already enrolled',
    advice: 'Pause, unenroll or restart the existing enrollment instead.',
  },
  enrollment_refused: {
    status: 422,
    title: 'This contact cannot be enrolled',
    advice: '`reason` says why; correct the contact or the sequence.',
  },
  sequence_not_published: {
    status: 409,
    title: 'The sequence has no published version',
    advice: 'Publish it first.',
  },
  sequence_invalid: {
    status: 422,
    title: 'The sequence cannot be published',
    advice: 'Correct every problem listed in `errors`, then publish again.',
  },
  sequence_in_use: {
    status: 409,
    title: 'The sequence has enrollments',
    advice: 'Archive it instead of deleting it.',
  },
  duplicate_contact: {
    status: 409,
    title: 'Another contact has this address or external id',
    advice: 'Update that contact, or give this one another address.',
  },
  sender_in_use: {
    status: 409,
    title: 'Live sequences send through this sender',
    advice:
      'Publish the sequences named in `sequences` with another sender, or archive them, then try again.',
  },
  sender_verification_failed: {
    status: 422,
    title: 'The sender could not be verified',
    advice: '`checks` holds what the server answered; correct host, port or credentials.',
  },
  templates_unavailable: {
    status: 422,
    title: 'The templates could not be fetched',
    advice:
      '`detail` says what the provider answered; correct `waba_id`, the token or its rights, then try again.',
  },
  no_member: {
    status: 409,
    title: 'This credential belongs to no member',
    advice:
      'Use an API key with a `member_id`; make one with `npx cadenza keys create --name NAME --member ID_OR_EMAIL`.',
  },
  no_verified_address: {
    status: 409,
    title: 'You have no verified address of this kind',
    advice:
      'Add yours with `POST /api/me/addresses` and give the code that comes there to `POST /api/me/addresses/ID/verify`.',
  },
  code_refused: {
    status: 422,
    title: 'The code does not verify the address',
    advice: '`reason` says why. `POST /api/me/addresses` with the same address sends another code.',
  },
  member_mail_refused: {
    status: 409,
    title: 'The message to yourself was not sent',
    advice: '`reason` says why: resume what is paused, choose another sender, or try again later.',
  },
  step_not_testable: {
    status: 422,
    title: 'This step cannot be sent to yourself',
    advice: '`reason` says why; see the step in the preview, or choose another contact or sender.',
  },
  idempotency_key_reused: {
    status: 422,
    title: 'This Idempotency-Key was used for another request',
    advice: 'Use a new key for a new request.',
  },
  idempotency_in_progress: {
    status: 409,
    title: 'A request with this Idempotency-Key is still running',
    advice: 'Repeat it in a moment; the answer will be the same.',
  },
  payload_too_large: {
    status: 413,
    title: 'The body is too large',
    advice: 'Send less at once, or use the import for large lists.',
  },
  unsupported_media_type: {
    status: 415,
    title: 'This Content-Type is not accepted',
    advice: 'Send application/json, or multipart/form-data for files.',
  },
  import_unreadable: {
    status: 422,
    title: 'The file cannot be read as CSV',
    advice: 'Save it as CSV (UTF-8 or UTF-16) with a header row and send it again.',
  },
  calendar_unreadable: {
    status: 422,
    title: 'The calendar cannot be read',
    advice:
      '`errors` names the lines; correct them, or send `skip_unreadable=true` to leave those events out.',
  },
  uri_too_long: { status: 414, title: 'The address is too long', advice: 'Use a shorter path and query.' },
  headers_too_large: {
    status: 431,
    title: 'The headers are too large',
    advice: 'Send fewer or shorter headers.',
  },
  rate_limited: {
    status: 429,
    title: 'Too many requests',
    advice: 'Wait for the seconds in the Retry-After header.',
  },
  internal: {
    status: 500,
    title: 'Something went wrong on our side',
    advice: 'Nothing was half-written. Quote `request_id` when you report it.',
  },
  unavailable: { status: 503, title: 'Not ready', advice: 'Try again in a moment.' },
} as const satisfies Record<string, { status: number; title: string; advice: string }>;

export type ProblemCode = keyof typeof PROBLEMS;

export interface FieldError {
  /** JSON pointer-like path, e.g. `steps[2].subject`. */
  field: string;
  code: string;
  message: string;
}

export interface Unknown {
  type: string;
  id: string;
}

export class Problem extends Error {
  override name = 'Problem';
  readonly code: ProblemCode;
  readonly errors: FieldError[];
  /** Further members of the problem document (a receipt, a reason, an id). */
  readonly extra: Record<string, unknown>;
  /** What was asked for and is not there; recorded as a security event, never part of the answer (TEN-3). */
  readonly unknown: Unknown[];

  constructor(
    code: ProblemCode,
    detail: string,
    more: {
      errors?: FieldError[];
      extra?: Record<string, unknown>;
      unknown?: Unknown[];
      cause?: unknown;
    } = {},
  ) {
    super(detail, more.cause === undefined ? undefined : { cause: more.cause });
    this.code = code;
    this.errors = more.errors ?? [];
    this.extra = more.extra ?? {};
    this.unknown = more.unknown ?? [];
  }
}

/** Nothing with this id in the caller's organization; the same words whether another one has it or nobody. */
export function notFound(type: string, id: string): Problem {
  return new Problem('not_found', `There is no ${type} with this id`, { unknown: [{ type, id }] });
}

/**
 * What is asked of an adapter while its calls are recorded: every kind of message of the conformance suite, a repetition
 * under the same key, the look-up, the templates, the trial of an account, and each refusal that the provider can give.
 */
import type { Adapter, Connection } from '../../../src/channels/channel.ts';
import { MAIL_PROVIDERS, type ProviderName } from '../../../src/channels/sandbox-api/message.ts';
import type { ApiSandbox } from '../../../src/channels/sandbox-api/server.ts';
import { newId } from '../../../src/kernel/ids.ts';
import type { EmailMessage, Message } from '../../../src/kernel/message.ts';

const TIMEOUT_MS = 15_000;
const NUMBER = '+14155550100';
const TO = '+14155550123';
const REFUSALS = ['address', 'content', 'sender', 'unauthorized', 'throttle'] as const;

/** One thing to do, whose calls belong together. `config`: beside the account's own. */
export interface Scenario {
  name: string;
  config?: Record<string, unknown>;
  run(world: ScenarioWorld): Promise<void>;
}

export interface ScenarioWorld {
  adapter: Adapter;
  provider: ProviderName;
  sandbox: ApiSandbox;
  connection: Connection;
  /** With `base_url` at the recorder. */
  config: Record<string, unknown>;
}

export function scenariosOf(provider: ProviderName, adapter: Adapter): Scenario[] {
  const messages = messagesOf(provider);
  const [plain] = Object.values(messages);
  const options = OPTIONS[provider];
  return [
    ...Object.entries(messages).map(
      ([name, message]): Scenario => ({
        name,
        run: async (world) => expectAccepted(await send(world, message), name),
      }),
    ),
    ...(options === undefined
      ? []
      : [
          {
            name: 'all settings',
            config: options,
            run: async (world: ScenarioWorld) => expectAccepted(await send(world, plain!), 'all settings'),
          },
        ]),
    { name: 'the same key again, and a look-up', run: (world) => again(world, plain!) },
    ...REFUSALS.map(
      (fault): Scenario => ({
        name: `refused: ${fault}`,
        async run(world) {
          world.sandbox.plan({ faults: [{ fault, times: 1 }] });
          await send(world, plain!);
          world.sandbox.plan({});
        },
      }),
    ),
    { name: 'verify', run: verify },
    ...(adapter.templates ? [{ name: 'templates', run: templates }] : []),
  ];
}

const OPTIONS: Partial<Record<ProviderName, Record<string, unknown>>> = {
  postmark: { message_stream: 'outbound' },
  ses: { configuration_set: 'cadenza' },
  twilio: {
    messaging_service_sid: `MG${'0'.repeat(32)}`,
    status_callback: 'https://example.test/hooks/abc',
    validity_period_s: 600,
  },
  telnyx: {
    messaging_profile_id: '40017c8b-7e20-4b2b-9c1c-0a2d1a2b3c4d',
    webhook_url: 'https://example.test/hooks/abc',
  },
  quo: { user_id: 'USabc123' },
};

function messagesOf(provider: ProviderName): Record<string, (touch: string) => Message> {
  if (MAIL_PROVIDERS.some((name) => name === provider)) return MAIL;
  if (provider === 'whatsapp_cloud') return { ...WHATSAPP, text: chat };
  return provider === 'waha' ? { text: chat } : SMS;
}

const mail =
  (more: Partial<EmailMessage>) =>
  (touch: string): EmailMessage => ({
    kind: 'email',
    from: { name: 'Ada', address: 'ada@example.test' },
    to: { address: 'bob@example.test' },
    subject: 'Hello',
    text: 'Hello there.\n',
    message_id: `${touch}.1@example.test`,
    headers: {},
    ...more,
  });

const MAIL = {
  'text alone': mail({}),
  'HTML, names, thread and headers': mail({
    from: { name: 'Ädä "O" Lovelace', address: 'ada@example.test' },
    to: { name: 'Bob, Jr.', address: 'bob@münchen.example' },
    reply_to: { name: 'Replies', address: 'replies@example.test' },
    subject: 'Grüße aus München — 你好',
    html: '<p>Grüße — 你好</p>',
    in_reply_to: 'one@example.test',
    references: ['one@example.test', 'two@example.test'],
    headers: {
      'List-Unsubscribe': '<https://example.test/u/abc>',
      'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
      'Feedback-ID': 'a:b:c:d',
    },
  }),
};

const SMS = {
  'one segment': (): Message => ({
    kind: 'sms',
    from: NUMBER,
    to: TO,
    text: 'Hello there.',
    encoding: 'gsm7',
    segments: 1,
  }),
  'several segments in UCS-2': (): Message => ({
    kind: 'sms',
    from: NUMBER,
    to: TO,
    text: 'Grüße & 你好 🎉 '.repeat(12),
    encoding: 'ucs2',
    segments: 3,
  }),
};

const chat = (): Message => ({ kind: 'whatsapp_text', from: NUMBER, to: TO, text: 'Grüße — 你好\n🎉' });

const WHATSAPP = {
  'template by position, with header and button': (touch: string): Message => ({
    kind: 'whatsapp_template',
    from: NUMBER,
    to: TO,
    template: {
      name: 'welcome',
      language: 'en',
      header: { type: 'text', values: ['Bob'] },
      body: ['Bob', touch],
      buttons: [
        { index: 0, type: 'url', value: 'abc' },
        { index: 1, type: 'quick_reply', value: 'stop' },
      ],
    },
  }),
  'template by name': (): Message => ({
    kind: 'whatsapp_template',
    from: NUMBER,
    to: TO,
    template: {
      name: 'appointment',
      language: 'en',
      body: { first_name: 'Bob', day: 'Monday' },
      buttons: [],
    },
  }),
  'template with a document': (): Message => ({
    kind: 'whatsapp_template',
    from: NUMBER,
    to: TO,
    template: {
      name: 'brochure',
      language: 'de',
      header: { type: 'document', link: 'https://example.test/a.pdf', filename: 'a.pdf' },
      body: [],
      buttons: [],
    },
  }),
};

function request(message: (touch: string) => Message) {
  const touch_id = newId();
  const idempotency_key = `${touch_id}.1`;
  return { touch_id, idempotency_key, timeout_ms: TIMEOUT_MS, message: message(touch_id) };
}

function send({ connection }: ScenarioWorld, message: (touch: string) => Message) {
  return connection.send(request(message));
}

function expectAccepted(outcome: { kind: string }, name: string): void {
  if (outcome.kind !== 'accepted') throw new Error(`${name}: ${JSON.stringify(outcome)}`);
}

async function again({ connection }: ScenarioWorld, message: (touch: string) => Message): Promise<void> {
  const twice = request(message);
  await connection.send(twice);
  await connection.send(twice);
  await connection.lookup?.(twice);
  await connection.lookup?.({ ...twice, idempotency_key: 'another.1' });
}

async function verify({ adapter, provider, config }: ScenarioWorld): Promise<void> {
  const from = MAIL_PROVIDERS.some((name) => name === provider) ? 'ada@example.test' : NUMBER;
  const outcome = await adapter.verify(config, { timeout_ms: TIMEOUT_MS, from });
  if (!outcome.ok) throw new Error(`verify: ${outcome.detail}`);
}

async function templates({ adapter, config }: ScenarioWorld): Promise<void> {
  const outcome = await adapter.templates!(config, { timeout_ms: TIMEOUT_MS });
  if (!outcome.ok) throw new Error(`templates: ${outcome.detail}`);
}

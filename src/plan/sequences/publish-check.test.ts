/** Every field of a step on every channel: it means something there, or publishing refuses it (SEQ-5). */
import { describe, expect, it } from 'vitest';
import { CHANNEL_NAMES, CHANNELS, type Channel } from '../../kernel/channels.ts';
import type { FieldError } from '../../kernel/problem.ts';
import { definitionSchema, type SequenceDraft, stepSchema, variantSchema } from './definition.ts';
import { type PublishWorld, publishCheck } from './publish-check.ts';
import { trialErrors } from './publish-trial.ts';
import { withIds } from './step-ids.ts';

const attributes: PublishWorld['attributes'] = new Map([['image', 'text']]);
const world: PublishWorld = {
  planning: { now: Date.UTC(2026, 10, 22), organization: { time_zone: 'UTC' }, senders: new Map() } as never,
  attributes,
  templates: new Map(),
  forbidden: (url) => (new URL(url).hostname === '127.0.0.1' ? '127.0.0.1 is not public' : null),
};

/** Of the steps alone: which senders there are is nothing that a step says. */
async function problemsOf(steps: object[], more: object = {}): Promise<FieldError[]> {
  const draft = withIds(definitionSchema.parse({ steps, ...more }) as SequenceDraft);
  const { errors, sound } = publishCheck(draft, world);
  return [...errors, ...(await trialErrors(sound, attributes))].filter(({ field }) => field !== 'sender_ids');
}

const codes = (errors: readonly FieldError[]) => errors.map(({ field, code }) => `${field} ${code}`);

const TEMPLATE = { name: 'hello', language: 'en' };

/** A step of each channel that may be published. */
const SOUND: { readonly [C in Channel]: object } = {
  email: { subject: 'Hello', body_text: 'Text' },
  sms: { body_text: 'Text' },
  whatsapp: { template: TEMPLATE },
  whatsapp_lite: { body_text: 'Text' },
  telegram: { body_text: 'Text' },
  webhook: { url: 'https://example.com/hook' },
  call: { body_text: 'Text' },
  linkedin: { body_text: 'Text' },
  task: { body_text: 'Text' },
  wait: { until: { tag: 'vip' }, at_most: { amount: 3, unit: 'days' } },
};

const all = () => true;
const only =
  (...channels: Channel[]) =>
  (channel: Channel) =>
    channels.includes(channel);
const TWO = [
  { key: 'a', body_text: 'A' },
  { key: 'b', body_text: 'B' },
];

/** Of each field a value, what must stand beside it, and where it means something. */
const FIELDS: {
  readonly [F in keyof typeof stepSchema.shape]: {
    value: unknown;
    beside?: object;
    on: (channel: Channel) => boolean;
  };
} = {
  id: { value: '0190a1b2-0000-7000-8000-000000000001', on: all },
  key: { value: 'first', on: all },
  channel: { value: undefined, on: all },
  mode: { value: 'human', on: (channel) => channel !== 'wait' },
  delay: { value: { amount: 1, unit: 'hours' }, on: all },
  name: { value: 'A step', on: all },
  subject: { value: 'Hello', on: only('email') },
  body_text: {
    value: 'Text',
    on: only('email', 'sms', 'whatsapp_lite', 'telegram', 'call', 'linkedin', 'task'),
  },
  body_html: { value: '<p>Text</p>', on: only('email') },
  template: { value: TEMPLATE, on: only('whatsapp') },
  url: { value: 'https://example.com/hook', on: only('webhook') },
  payload: { value: { a: 'b' }, on: only('webhook') },
  // Of WhatsApp the arms are templates; those of the table have texts.
  variants: { value: TWO, on: only('email', 'sms', 'whatsapp_lite', 'telegram', 'call', 'linkedin', 'task') },
  winner: { value: { by: 'replied', minimum_sample: 10 }, on: () => false },
  when: { value: { tag: 'vip' }, on: all },
  next: { value: 'end', on: all },
  until: { value: { tag: 'other' }, on: only('wait') },
  at_most: { value: { amount: 1, unit: 'days' }, on: only('wait') },
  branches: { value: [{ when: { tag: 'vip' }, go_to: 'end' }], on: () => false },
  otherwise: { value: 'end', on: () => false },
};

describe('a field of a step', () => {
  it('[SEQ-5] has its line in the table of this test', () => {
    expect(Object.keys(FIELDS)).toEqual(Object.keys(stepSchema.shape));
  });

  it.each(CHANNEL_NAMES)(
    '[SEQ-5] on %s means something, or publishing refuses it by name',
    async (channel) => {
      const sound = { channel, ...SOUND[channel] };
      expect(codes(await problemsOf([sound]))).toEqual([]);
      for (const [field, { value, on }] of Object.entries(FIELDS)) {
        if (value === undefined) continue;
        const errors = await problemsOf([{ ...sound, [field]: value }]);
        if (on(channel)) expect(codes(errors), field).toEqual([]);
        else {
          const named = errors.filter((error) =>
            new RegExp(`^steps\\[0\\]\\.(variants\\[\\d\\]\\.)?${field}`).test(error.field),
          );
          expect(named.length, `${field} on ${channel}: ${codes(errors).join()}`).toBeGreaterThan(0);
          for (const { message } of named) expect(message.length).toBeGreaterThan(20);
        }
      }
    },
  );

  it.each(CHANNEL_NAMES)('[SEQ-5] on an arm of %s it is as on the step', async (channel) => {
    const { body_text: _, template: __, ...rest } = SOUND[channel] as Record<string, unknown>;
    const arm = channel === 'whatsapp' ? { template: TEMPLATE } : { body_text: 'Text' };
    const content = Object.keys(variantSchema.shape).filter((field) => field !== 'key' && field !== 'weight');
    for (const field of content as ('subject' | 'body_text' | 'body_html' | 'template')[]) {
      const variants = [
        { key: 'a', ...arm, [field]: FIELDS[field].value },
        { key: 'b', ...arm },
      ];
      const found = codes(await problemsOf([{ channel, ...rest, variants }]));
      const means = FIELDS[field].on(channel) && FIELDS.variants.on(channel);
      if (means || (channel === 'whatsapp' && field === 'template')) expect(found, field).toEqual([]);
      else expect(found.join(), field).toMatch(/steps\[0\]\.variants/);
    }
  });

  it('[SEQ-5] of people is never automatic, and only what senders do is', async () => {
    for (const channel of CHANNEL_NAMES) {
      const found = codes(await problemsOf([{ channel, mode: 'automatic', ...SOUND[channel] }]));
      expect(found).toEqual(CHANNELS[channel].by === 'person' ? ['steps[0].mode never_automatic'] : []);
    }
  });

  it('[SEQ-5] that the way on leads by is one: branches decide alone, and a wait waits', async () => {
    const branches = [{ when: { tag: 'vip' }, go_to: 'end' }];
    const decides = { channel: 'wait', branches };
    expect(codes(await problemsOf([{ ...decides, otherwise: 'end' }]))).toEqual([]);
    expect(codes(await problemsOf([{ ...decides, next: 'end' }]))).toEqual([
      'steps[0].next branches_and_next',
    ]);
    expect(codes(await problemsOf([{ ...decides, ...SOUND.wait }]))).toEqual([
      'steps[0].branches until_and_branches',
    ]);
  });
});

describe('a text that cannot go', () => {
  const sms = async (body_text: string) => codes(await problemsOf([{ channel: 'sms', body_text }]));

  it('[SEQ-5] of an SMS is refused where it is too long for everybody, or for a sample contact', async () => {
    expect(await sms('x'.repeat(1_530))).toEqual([]);
    const long = 'x'.repeat(1_601);
    const [error] = await problemsOf([{ channel: 'sms', body_text: `${long}{{ contact.first_name }}` }]);
    expect(error).toMatchObject({ field: 'steps[0].body_text', code: 'too_long' });
    expect(error!.message).toBe('Without any value it has 1601 characters; at most 1600: shorten it');
    // Ten segments of 67 in UCS-2.
    expect(await sms(`é𝄞${'x'.repeat(669)}`)).toEqual(['steps[0].body_text too_long']);
    const loop = '{% for i in (1..200) %}nine char{% endfor %}';
    const [rendered] = await problemsOf([{ channel: 'sms', body_text: loop }]);
    expect(rendered).toMatchObject({ field: 'steps[0].body_text', code: 'too_long' });
    expect(rendered!.message).toContain(
      'For a sample contact it has 1800 characters; at most 1600: shorten it',
    );
    const branch = `{% if contact.company == "Nobody" %}${long}{% endif %}Hello`;
    expect(await sms(branch)).toEqual([]);
  });

  it('[SEQ-5] [EXE-10] with a body that prints nothing for anybody is refused', async () => {
    const nothing =
      '{% assign a = 1 %}{% if contact.company %} {% else %}\n{% endif %}{% capture b %}B{% endcapture %}';
    const bodies = [
      ['body_text', { channel: 'email', subject: 'S', body_text: nothing }],
      [
        'body_html',
        { channel: 'email', subject: 'S', body_html: `<p class="{{ contact.company }}">${nothing}</p>` },
      ],
      ['body_text', { channel: 'sms', body_text: nothing }],
      ['body_text', { channel: 'telegram', body_text: nothing }],
      ['body_text', { channel: 'whatsapp_lite', body_text: nothing }],
    ] as const;
    for (const [field, step] of bodies)
      expect([step, codes(await problemsOf([step]))]).toEqual([step, [`steps[0].${field} empty_body`]]);
    for (const some of ['{% if contact.company %}A{% endif %}', '{{ contact.first_name }}'])
      for (const channel of ['email', 'sms', 'telegram', 'whatsapp_lite'] as const)
        expect(codes(await problemsOf([{ channel, ...SOUND[channel], body_text: some }]))).toEqual([]);
  });

  it('[SEQ-5] of a chat or a person is held to its own limit, and an arm is told by its own name', async () => {
    for (const [channel, limit] of [
      ['telegram', 4_096],
      ['whatsapp_lite', 4_096],
      ['call', 20_000],
      ['task', 20_000],
    ] as const) {
      const step = (length: number) => [{ channel, body_text: 'x'.repeat(length) }];
      expect(codes(await problemsOf(step(limit)))).toEqual([]);
      expect(codes(await problemsOf(step(limit + 1)))).toEqual(['steps[0].body_text too_long']);
    }
    const variants = [
      { key: 'a', body_text: 'short' },
      { key: 'b', body_text: 'x'.repeat(1_700) },
    ];
    expect(codes(await problemsOf([{ channel: 'sms', variants }]))).toEqual([
      'steps[0].variants[1].body_text too_long',
    ]);
  });

  it('[SEQ-5] several with mistakes are told all at once, and all mistakes of one', async () => {
    const found = await problemsOf([
      {
        channel: 'email',
        subject: '{{ contact.first_name',
        body_text: '{% if %}x',
        body_html: '{{ nobody }}',
      },
      {
        channel: 'sms',
        body_text:
          'Line\n{{ contact.first_name | }}\n{{ | }}{{ contact.nobody }}\n{% if %}x{% endif %}{% for x y %}{% endfor %}',
      },
      { channel: 'webhook', url: 'https://example.com/', payload: { a: '{{ a', b: ['{% nope %}'] } },
    ]);

    expect(found.map(({ field, code, message }) => `${field} ${code} ${message.split(':')[0]}`)).toEqual([
      'steps[0].subject syntax Line 1',
      'steps[0].body_text syntax Line 1',
      'steps[0].body_html unknown_variable Line 1',
      'steps[1].body_text syntax Line 3',
      'steps[1].body_text unknown_variable Line 3',
      'steps[1].body_text syntax Line 4',
      'steps[1].body_text syntax Line 4',
      'steps[2].payload.a syntax Line 1',
      'steps[2].payload.b[0] unknown_tag Line 1',
    ]);
  });
});

describe('WhatsApp', () => {
  const whatsapp = async (template: object, more: object = {}) =>
    codes(await problemsOf([{ channel: 'whatsapp', template: { ...TEMPLATE, ...template }, ...more }]));
  const link = (written: string) => whatsapp({ header: { type: 'image', link: written } });

  it('[EXE-11] a header file comes over https, as far as its link is written out', async () => {
    for (const written of [
      'http://example.com/a.png',
      'ftp://example.com/a.png',
      'example.com/a.png',
      'https://',
      'http://{{ contact.company }}/a.png',
      'data:image/png;base64,AA',
    ])
      expect(await link(written), written).toEqual(['steps[0].template.header.link no_https_link']);
    for (const written of [
      'https://example.com/a.png',
      ' HTTPS://example.com/{{ contact.company | url_encode }}.png',
      "{{ contact.attributes.image | default: 'https://example.com/a.png' }}",
    ])
      expect(await link(written), written).toEqual([]);
  });

  it('[EXE-11] values fit what the provider takes, files are named where names are shown, and no text stands beside', async () => {
    expect(await whatsapp({ header: { type: 'text', values: ['x'.repeat(61)] } })).toEqual([
      'steps[0].template.header.values[0] too_long',
    ]);
    expect(await whatsapp({ body: ['x'.repeat(1_025)] })).toEqual(['steps[0].template.body[0] too_long']);
    const buttons = [{ index: 0, type: 'copy_code', value: 'CODE-OF-SIXTEEN-' }];
    expect(await whatsapp({ buttons })).toEqual(['steps[0].template.buttons[0].value too_long']);
    const file = (type: string, filename: string) =>
      whatsapp({ header: { type, link: 'https://example.com/a', filename } });
    expect(await file('video', 'a.mp4')).toEqual(['steps[0].template.header.filename not_for_header']);
    expect(await file('document', '{{ contact.company }}.pdf')).toEqual([
      'steps[0].template.header.filename no_template',
    ]);
    expect(await file('document', 'offer.pdf')).toEqual([]);
    expect(await whatsapp({}, { body_text: 'Text' })).toEqual(['steps[0].body_text beside_template']);
    expect(await whatsapp({}, { body_text: 'Text', mode: 'human' })).toEqual([
      'steps[0].body_text beside_template',
    ]);
  });
});

describe('a webhook', () => {
  const webhook = async (url: string, payload: object = {}) =>
    codes(await problemsOf([{ channel: 'webhook', url, payload }]));

  it('[SEQ-5] is called where it may be, as nobody, and at an address that is written out', async () => {
    expect(await webhook('https://127.0.0.1/hook')).toEqual(['steps[0].url destination_forbidden']);
    expect(await webhook('https://me:secret@example.com/')).toEqual(['steps[0].url userinfo']);
    expect(await webhook('https://example.com/{{ contact.company }}')).toEqual(['steps[0].url no_template']);
    expect(await webhook('https://example.com/%7B%7Bcontact.company%7D%7D')).toEqual([
      'steps[0].url no_template',
    ]);
    expect(await webhook('https://example.com/', { list: [{ '{{ contact.company }}': 1 }] })).toEqual([
      'steps[0].payload.list[0].{{ contact.company }} no_template',
    ]);
  });
});

describe('a rule', () => {
  const deals = async (event: string) =>
    codes(await problemsOf([{ channel: 'task', body_text: 'x' }], { goals: [{ event, stages: ['won'] }] }));

  it('[SEQ-11] has stages where it is about deals alone', async () => {
    for (const event of ['deal.created', 'deal.stage.won', 'deal.*', 'de*', 'deal.stage.*'])
      expect(await deals(event), event).toEqual([]);
    for (const event of ['deal', 'dealer.won', 'appointment.booked', 'appointment.*', 'x*'])
      expect(await deals(event), event).toEqual(['goals[0].stages not_a_deal']);
  });

  it('[SEQ-14] [INB-2] asks for nothing that nobody can learn or that changes nothing', async () => {
    const winner = (channel: Channel, by: string) =>
      problemsOf([{ channel, ...SOUND[channel], variants: TWO, winner: { by, minimum_sample: 10 } }]);
    for (const channel of ['sms', 'telegram', 'call', 'linkedin', 'task'] as const)
      for (const by of ['opened', 'clicked'])
        expect(codes(await winner(channel, by))).toEqual(['steps[0].winner.by not_for_channel']);
    expect(codes(await winner('whatsapp_lite', 'clicked'))).toEqual(['steps[0].winner.by not_for_channel']);
    expect(codes(await winner('whatsapp_lite', 'opened'))).toEqual([]);
    expect(codes(await winner('email', 'clicked'))).toEqual([]);
    const steps = [{ channel: 'task', body_text: 'x' }];
    expect(codes(await problemsOf(steps, { on_reply: 'ignore', on_reply_scope: 'company' }))).toEqual([
      'on_reply_scope without_effect',
    ]);
  });
});

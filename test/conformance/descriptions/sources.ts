/** Where each provider's public description is, and which of its paths it is asked about. Fetched by whoever checks, never committed. */
import { ADAPTERS } from '../../../src/app.ts';
import type { Adapter } from '../../../src/channels/channel.ts';
import type { ProviderName } from '../../../src/channels/sandbox-api/message.ts';

export interface Source {
  provider: ProviderName;
  adapter: Adapter;
}

/** In the folder with the descriptions: `<provider>.json`, or `<provider>.<part>.json` of one in several files. */
export interface Published {
  provider: ProviderName;
  name: string;
  url: string;
}

const GITHUB = 'https://raw.githubusercontent.com';
const AMAZON = `${GITHUB}/aws/api-models-aws/main/models/sesv2/service/2019-09-27/sesv2-2019-09-27.json`;
const GURU = `${GITHUB}/APIs-guru/openapi-directory/main/APIs`;
const SENDGRID = `${GITHUB}/twilio/sendgrid-oai/main/spec/json`;
const MAILGUN = 'https://documentation.mailgun.com/_spec/docs/mailgun/api-reference/send/mailgun.yaml';
const QUO = 'https://openphone-public-api-prod.s3.us-west-2.amazonaws.com/public';

export const SOURCES: readonly Published[] = [
  { provider: 'resend', name: 'resend.json', url: `${GITHUB}/resend/resend-openapi/main/resend.json` },
  { provider: 'postmark', name: 'postmark.yaml', url: `${GURU}/postmarkapp.com/server/1.0.0/swagger.yaml` },
  { provider: 'sendgrid', name: 'sendgrid.json', url: `${SENDGRID}/tsg_mail_v3.json` },
  { provider: 'sendgrid', name: 'sendgrid.scopes.json', url: `${SENDGRID}/tsg_scopes_v3.json` },
  { provider: 'mailgun', name: 'mailgun.yaml', url: MAILGUN },
  { provider: 'brevo', name: 'brevo.yaml', url: 'https://api.brevo.com/v3/swagger_definition_v3.yml' },
  { provider: 'ses', name: 'ses.json', url: AMAZON },
  {
    provider: 'twilio',
    name: 'twilio.json',
    url: `${GITHUB}/twilio/twilio-oai/main/spec/json/twilio_api_v2010.json`,
  },
  {
    provider: 'telnyx',
    name: 'telnyx.json',
    url: `${GITHUB}/team-telnyx/openapi/master/openapi/spec3.json`,
  },
  { provider: 'quo', name: 'quo.json', url: `${QUO}/openphone-public-api-v1-prod.json` },
  {
    provider: 'whatsapp_cloud',
    name: 'whatsapp_cloud.yaml',
    url: `${GITHUB}/facebook/openapi/main/business-messaging-api_v23.0.yaml`,
  },
  { provider: 'waha', name: 'waha.json', url: 'https://waha.devlike.pro/swagger/openapi.json' },
];

const DESCRIBED = new Set<string>(SOURCES.map(({ provider }) => provider));

export const CHECKED: readonly Source[] = ADAPTERS.filter(({ provider }) => DESCRIBED.has(provider)).map(
  (adapter) => ({ provider: adapter.provider as ProviderName, adapter }),
);

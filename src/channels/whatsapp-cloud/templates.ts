/** The templates of a WhatsApp Business Account, page by page (…/reference/whatsapp-business-account/message_templates). */
import type { ProviderTemplate, TemplatesOutcome, VerifyOptions } from '../channel.ts';
import { call, newAgent } from '../http/call.ts';
import { at, isObject, jsonObject, text } from '../http/json.ts';
import { summary } from '../http/outcome.ts';
import { credentials, graphUrl, type WhatsappCloudConfig } from './config.ts';

const PAGE = 50;
/** More an account may not have: 6,000 by Meta's own limit. */
const MAX_PAGES = 200;
const MAX_PAGE_BYTES = 4 * 1024 * 1024;
const FIELDS = 'name,language,status,category,parameter_format,components';

/** The time is for all pages together. */
export async function readTemplates(
  config: WhatsappCloudConfig,
  { timeout_ms, network }: Omit<VerifyOptions, 'from'>,
): Promise<TemplatesOutcome> {
  if (config.waba_id === undefined)
    return { ok: false, detail: 'config.waba_id is missing: whose templates are they?' };
  const deadline = Date.now() + timeout_ms;
  const agent = newAgent(1, network);
  const templates: ProviderTemplate[] = [];
  try {
    let after: string | undefined;
    for (let page = 0; page < MAX_PAGES; page++) {
      const query = new URLSearchParams({
        fields: FIELDS,
        limit: String(PAGE),
        ...(after === undefined ? {} : { after }),
      });
      const called = await call(agent, {
        method: 'GET',
        // The address of the next page in the answer is not followed: it could be any.
        url: graphUrl(config, `${config.waba_id}/message_templates?${query}`),
        headers: credentials(config),
        timeout_ms: Math.max(1, deadline - Date.now()),
        max_answer_bytes: MAX_PAGE_BYTES,
      });
      if (called.kind !== 'answered')
        return { ok: false, detail: `${config.base_url} does not answer: ${called.reason}` };
      const { status, complete } = called.answer;
      if (status !== 200 || !complete)
        return { ok: false, detail: `Meta answered ${summary(called.answer)}` };
      const answer = jsonObject(called.answer.body);
      const data = at(answer, 'data');
      if (!Array.isArray(data))
        return { ok: false, detail: 'Meta gave an answer that is no list of templates' };
      templates.push(...data.map(templateOf).filter((one) => one !== null));
      after =
        text(answer, 'paging', 'next') === undefined ? undefined : text(answer, 'paging', 'cursors', 'after');
      if (after === undefined) return { ok: true, templates };
    }
    return { ok: false, detail: `There are more than ${MAX_PAGES * PAGE} templates` };
  } finally {
    agent.destroy();
  }
}

/** Null: it lacks what makes it one. */
function templateOf(value: unknown): ProviderTemplate | null {
  const [name, language, status] = ['name', 'language', 'status'].map((field) => text(value, field));
  const components = at(value, 'components');
  if (name === undefined || language === undefined || status === undefined) return null;
  return {
    name,
    language,
    status,
    category: text(value, 'category') ?? null,
    parameter_format: text(value, 'parameter_format') === 'NAMED' ? 'named' : 'positional',
    components: Array.isArray(components) ? components.filter(isObject) : [],
  };
}

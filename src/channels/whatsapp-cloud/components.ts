/** A template's values in the form of the Cloud API: header, body and buttons, by position or by name. Pure. */
import type {
  TemplateButton,
  TemplateHeader,
  TemplateValues,
  WhatsappTemplateMessage,
} from '../../kernel/message.ts';

type Component = Record<string, unknown>;

/** Only what has values: what a template says by itself is Meta's to know. */
export function componentsOf(template: WhatsappTemplateMessage['template']): Component[] {
  const header = template.header === undefined ? [] : headerParameters(template.header);
  const body = textParameters(template.body);
  return [
    ...(header.length === 0 ? [] : [{ type: 'header', parameters: header }]),
    ...(body.length === 0 ? [] : [{ type: 'body', parameters: body }]),
    ...template.buttons.map(buttonComponent),
  ];
}

function headerParameters(header: TemplateHeader): Component[] {
  if (header.type === 'text') return textParameters(header.values);
  const { type, link, filename } = header;
  const named = filename !== undefined && type === 'document' ? { filename } : {};
  return [{ type, [type]: { link, ...named } }];
}

function textParameters(values: TemplateValues): Component[] {
  return Array.isArray(values)
    ? values.map((text) => ({ type: 'text', text }))
    : Object.entries(values).map(([parameter_name, text]) => ({ type: 'text', parameter_name, text }));
}

function buttonComponent({ index, type, value }: TemplateButton): Component {
  const parameter = {
    url: { type: 'text', text: value },
    quick_reply: { type: 'payload', payload: value },
    copy_code: { type: 'coupon_code', coupon_code: value },
  }[type];
  return { type: 'button', sub_type: type, index: String(index), parameters: [parameter] };
}

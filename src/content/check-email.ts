/**
 * Checks a whole e-mail template before it is published: each part, and that the three sources it becomes can be
 * rendered. In: what a person wrote. Out: every problem with its part and line, or the variables used.
 */
import { type AssembledSource, assemble, type TemplateSource } from './assemble.ts';
import {
  type CheckOptions,
  checkTemplate,
  type TemplateCheck,
  type TemplateKind,
  type TemplateProblem,
} from './check-template.ts';

export interface EmailProblem extends Omit<TemplateProblem, 'code'> {
  part: TemplateKind;
  code: TemplateProblem['code'] | 'required';
}

export type EmailCheck = { ok: true; variables: string[] } | { ok: false; problems: EmailProblem[] };

export interface EmailCheckOptions extends CheckOptions {
  /** True for the first e-mail of a thread; a follow-up may leave its subject blank and take the thread's. */
  needs_subject: boolean;
}

export function checkEmail(template: TemplateSource, options: EmailCheckOptions): EmailCheck {
  const problems: EmailProblem[] = [];
  const variables = new Set<string>();
  const add = (part: TemplateKind, check: TemplateCheck) => {
    if (check.ok) for (const name of check.variables) variables.add(name);
    else problems.push(...check.problems.map((problem) => ({ ...problem, part })));
  };
  if (options.needs_subject && template.subject.trim() === '') {
    problems.push({ part: 'subject', code: 'required', message: 'The subject is missing.', line: 1 });
  }
  if (!(template.text?.trim() || template.html?.trim())) {
    problems.push({ part: 'text', code: 'required', message: 'The message has no text.', line: 1 });
  }
  add('subject', checkTemplate(template.subject, 'subject', options));
  if (template.text?.trim()) add('text', checkTemplate(template.text, 'text', options));
  if (template.html?.trim()) add('html', checkTemplate(template.html, 'html', options));
  if (problems.length === 0) problems.push(...assemblyProblems(template));
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, variables: [...variables].sort() };
}

/** What only shows once layout and footer are around the body, and one part is made from the other. */
function assemblyProblems(template: TemplateSource): EmailProblem[] {
  const written: TemplateKind = template.html?.trim() ? 'html' : 'text';
  let assembled: AssembledSource;
  try {
    assembled = assemble(template);
  } catch (error) {
    const message = `The other part cannot be made from it: ${error instanceof Error ? error.message : error}`;
    return [{ part: written, code: 'syntax', message, line: 1 }];
  }
  for (const kind of ['text', 'html'] as const) {
    const check = checkTemplate(assembled[kind], kind, {});
    if (!check.ok) {
      return check.problems.map((problem) => ({ ...problem, part: written, line: 1 })).slice(0, 1);
    }
  }
  return [];
}

/** [SEQ-11] Which addresses make colleagues. */
import { expect, it } from 'vitest';
import { companyDomain } from './company-domain.ts';

it.each([
  ['ada@acme.test', 'acme.test'],
  ['ada@mail.acme.co.uk', 'mail.acme.co.uk'],
  ['ada@gmail.com', null],
  ['ada@yahoo.co.jp', null],
  ['ada@gmx.at', null],
  ['ada@qq.com', null],
  [null, null],
])('[SEQ-11] %s: %s', (email, domain) => {
  expect(companyDomain(email)).toBe(domain);
});

import { describe, expect, it } from 'vitest';
import { mappingFrom } from './fields.ts';
import { guessMapping } from './guess.ts';

function guess(header: string[], ...samples: string[][]): Record<string, string | null> {
  return Object.fromEntries(guessMapping(header, samples).map(({ column, field }) => [column, field]));
}

describe('[CON-1] the guessed mapping', () => {
  it('[CON-1] knows the columns of HubSpot', () => {
    expect(
      guess([
        'Record ID',
        'First Name',
        'Last Name',
        'Email',
        'Phone Number',
        'Mobile Phone Number',
        'Job Title',
        'Associated Company',
        'Time Zone',
        'Lead Status',
        'LinkedIn URL',
        'Marketing opt-in',
      ]),
    ).toEqual({
      'Record ID': 'external_id',
      'First Name': 'first_name',
      'Last Name': 'last_name',
      Email: 'email',
      'Phone Number': 'phone',
      'Mobile Phone Number': 'other_phone',
      'Job Title': 'title',
      'Associated Company': 'company',
      'Time Zone': 'time_zone',
      'Lead Status': 'attributes.lead_status',
      'LinkedIn URL': 'linkedin',
      'Marketing opt-in': 'attributes.marketing_opt_in',
    });
  });

  it('[CON-1] knows the columns of Apollo', () => {
    expect(
      guess([
        'First Name',
        'Last Name',
        'Title',
        'Company',
        'Email',
        'Email Status',
        'Work Direct Phone',
        'Mobile Phone',
        'Corporate Phone',
        'Person Linkedin Url',
        'Apollo Contact Id',
      ]),
    ).toEqual({
      'First Name': 'first_name',
      'Last Name': 'last_name',
      Title: 'title',
      Company: 'company',
      Email: 'email',
      'Email Status': 'attributes.email_status',
      'Work Direct Phone': 'phone',
      'Mobile Phone': 'other_phone',
      'Corporate Phone': 'other_phone',
      'Person Linkedin Url': 'linkedin',
      'Apollo Contact Id': 'external_id',
    });
  });

  it('[CON-1] knows the columns of Smartlead and Mailchimp, and takes no opt-in for consent', () => {
    expect(
      guess(['email', 'first_name', 'last_name', 'company_name', 'phone_number', 'linkedin_profile']),
    ).toEqual({
      email: 'email',
      first_name: 'first_name',
      last_name: 'last_name',
      company_name: 'company',
      phone_number: 'phone',
      linkedin_profile: 'linkedin',
    });
    expect(
      guess([
        'Email Address',
        'First Name',
        'Last Name',
        'Phone Number',
        'OPTIN_TIME',
        'OPTIN_IP',
        'CONFIRM_TIME',
        'EUID',
        'TAGS',
      ]),
    ).toEqual({
      'Email Address': 'email',
      'First Name': 'first_name',
      'Last Name': 'last_name',
      'Phone Number': 'phone',
      OPTIN_TIME: null,
      OPTIN_IP: null,
      CONFIRM_TIME: null,
      EUID: 'external_id',
      TAGS: 'tags',
    });
  });

  it('[CON-1] knows the columns of Google Contacts', () => {
    expect(
      guess([
        'First Name',
        'Last Name',
        'E-mail 1 - Label',
        'E-mail 1 - Value',
        'E-mail 2 - Value',
        'Phone 1 - Value',
        'Phone 2 - Value',
        'Organization Name',
        'Organization Title',
        'Labels',
      ]),
    ).toEqual({
      'First Name': 'first_name',
      'Last Name': 'last_name',
      'E-mail 1 - Label': 'attributes.e_mail_1_label',
      'E-mail 1 - Value': 'email',
      'E-mail 2 - Value': 'other_email',
      'Phone 1 - Value': 'phone',
      'Phone 2 - Value': 'other_phone',
      'Organization Name': 'company',
      'Organization Title': 'title',
      Labels: 'tags',
    });
  });

  it('[CON-1] is unsure where the values say something else, and finds addresses under any name', () => {
    const [email] = guessMapping(
      ['Email', 'x'],
      [
        ['yes', ''],
        ['no', ''],
      ],
    );
    expect(email).toEqual({ column: 'Email', field: 'email', confidence: 'low' });
    const [, contact] = guessMapping(
      ['Who', 'Kontakt'],
      [
        ['Ada', 'ada@example.com'],
        ['Bob', 'bob@example.com'],
      ],
    );
    expect(contact).toEqual({ column: 'Kontakt', field: 'email', confidence: 'medium' });
  });

  it('[CON-1] gives way to the caller, written either way round', () => {
    const header = ['A', 'B'];
    const fields = (given: Record<string, string | null>) =>
      mappingFrom(given, header).map(({ field }) => field);
    expect(fields({ A: 'email', B: null })).toEqual(['email', null]);
    expect(fields({ email: 'B', 'attributes.size': 'A' })).toEqual(['attributes.size', 'email']);
    expect(() => fields({ A: 'email', B: 'email' })).toThrow('does not fit');
    expect(() => fields({ A: 'nonsense' })).toThrow('does not fit');
    expect(() => fields({ email: 'C' })).toThrow('does not fit');
  });
});

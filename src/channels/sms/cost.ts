/** What a provider says that a text message cost: a decimal text and its currency, as they came. Pure. */
const AMOUNT = /^-?(\d{1,9}(?:\.\d{1,12})?)$/;
const CURRENCY = /^[A-Za-z]{3}$/;

/** Nothing where it says none; Twilio writes what it takes as a negative amount. */
export function costOf(
  amount: unknown,
  currency: unknown,
): { cost: { amount: string; currency: string } } | Record<string, never> {
  const found = typeof amount === 'string' ? AMOUNT.exec(amount)?.[1] : undefined;
  if (found === undefined || typeof currency !== 'string' || !CURRENCY.test(currency)) return {};
  return { cost: { amount: found, currency: currency.toUpperCase() } };
}

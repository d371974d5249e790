/** [SEQ-10] [SEQ-11] Which events a rule means. */
import { describe, expect, it } from 'vitest';
import { eventRuleSchema, fits, labelOf } from './event-rules.ts';

const says = (rule: Record<string, unknown>, name: string, properties: Record<string, unknown> = {}) =>
  fits(eventRuleSchema.parse(rule), { name, properties });

describe('a rule', () => {
  it('[SEQ-11] names one event, or all that begin so', () => {
    expect(says({ event: 'deal.created' }, 'deal.created')).toBe(true);
    expect(says({ event: 'deal.created' }, 'deal.created.again')).toBe(false);
    expect(says({ event: 'deal.*' }, 'deal.stage.won')).toBe(true);
    expect(says({ event: 'deal.*' }, 'dealer')).toBe(false);
  });

  it('[SEQ-11] asks for one of its stages, in any case, and never for one that is not told', () => {
    const rule = { event: 'deal.stage.*', stages: ['Won', 'proposal'] };
    expect(says(rule, 'deal.stage.won', { stage: ' WON ' })).toBe(true);
    expect(says(rule, 'deal.stage.lost', { stage: 'Lost' })).toBe(false);
    expect(says(rule, 'deal.stage.won')).toBe(false);
  });

  it('[SEQ-11] asks for every property: a value, one of several, a range', () => {
    const where = { plan: ['team', 'pro'], seats: { min: 5, max: 10 }, paid: true };
    const event = { plan: 'Pro', seats: 5, paid: true };
    expect(says({ event: 'x', where }, 'x', event)).toBe(true);
    for (const wrong of [
      { plan: 'free' },
      { seats: 4 },
      { seats: 11 },
      { seats: '7' },
      { paid: 'true' },
      { paid: undefined },
    ])
      expect([wrong, says({ event: 'x', where }, 'x', { ...event, ...wrong })]).toEqual([wrong, false]);
    expect(says({ event: 'x', where: { constructor: 'a' } }, 'x')).toBe(false);
  });

  it('is called by its own name, or by the event it met', () => {
    const event = { name: 'deal.stage.won', properties: {} };
    expect(labelOf({ event: 'deal.*', name: 'Closed' }, event)).toBe('Closed');
    expect(labelOf({ event: 'deal.*' }, event)).toBe('deal.stage.won');
  });

  it('that cannot be one is refused', () => {
    for (const bad of [
      { event: '' },
      { event: 'A' },
      { event: 'a*b' },
      { event: 'x', where: { n: {} } },
      { event: 'x', stages: [] },
    ])
      expect([bad, eventRuleSchema.safeParse(bad).success]).toEqual([bad, false]);
  });
});

import { afterAll, describe, expect, it } from 'vitest';
import { type RenderJob, RenderPool } from './render-pool.ts';
import { DEFAULT_WORKER_LIMITS } from './render-worker.ts';

const pool = new RenderPool();
afterAll(() => pool.close());

let keys = 0;
function job(text: string, values: Record<string, unknown> = {}, key = `template-${keys++}`): RenderJob {
  const names = Object.keys(values);
  return {
    template: {
      key,
      parts: [{ source: text, html: false }],
      paths: names.map((name) => name.split('.')),
    },
    values: names.map((name) => values[name]),
  };
}

async function outcomes(jobs: RenderJob[]): Promise<string[]> {
  const results = await pool.composeBatch(jobs);
  return results.map((result) => (result.ok ? result.texts[0]! : result.reason));
}

const GOOD = () => job('Hi {{ contact.first_name }}', { 'contact.first_name': 'Ada' });
/** Nested loops with nothing in them: the way round liquidjs's own limit of CVE-2026-44645. */
const EMPTY_LOOPS =
  '{% for a in (1..900) %}{% for b in (1..900) %}{% for c in (1..900) %}{% endfor %}{% endfor %}{% endfor %}';

describe('a batch of templates in the worker', () => {
  it('renders each job with its own values, in order', async () => {
    const source =
      'Hi {{ contact.first_name }}{% for tag in contact.attributes.tags %} {{ tag }}{% endfor %}';
    const jobs = ['Ada', 'Bob', 'Cy'].map((name, index) =>
      job(source, { 'contact.first_name': name, 'contact.attributes.tags': [index, 'x'] }, 'same'),
    );
    expect(await outcomes(jobs)).toEqual(['Hi Ada 0 x', 'Hi Bob 1 x', 'Hi Cy 2 x']);
  });

  it('[EXE-10] an endless template skips its own message, and all others succeed', async () => {
    expect(await outcomes([GOOD(), job(EMPTY_LOOPS), GOOD()])).toEqual([
      'Hi Ada',
      'template_timeout',
      'Hi Ada',
    ]);
  });

  it('[EXE-10] a template that hangs the thread is found out and the thread replaced', async () => {
    // Single calls of the engine that do not come back for a long time to look at any limit.
    const list = Array.from({ length: 100_000 }, (_, index) => `${(index * 7_919) % 100_003}`);
    const sorts = `{{ contact.attributes.list${' | sort | reverse'.repeat(40)} | size }}`;
    const hanging = job(sorts, { 'contact.attributes.list': list });
    const results = await pool.composeBatch([GOOD(), hanging, GOOD(), job(EMPTY_LOOPS), GOOD()]);
    expect(results.map((result) => (result.ok ? result.texts[0]! : result.reason))).toEqual([
      'Hi Ada',
      'template_timeout',
      'Hi Ada',
      'template_timeout',
      'Hi Ada',
    ]);
    expect(results[1]).toMatchObject({ detail: 'no end after 250 ms' });
  });

  it('[EXE-10] a message that needs more memory than the thread has skips itself alone', async () => {
    const small = new RenderPool({ ...DEFAULT_WORKER_LIMITS, stuck_ms: 5_000, heap_mb: 16 });
    // One list of the engine's own making, larger than the heap.
    const greedy = '{% for n in (1..3900000) %}{% break %}{% endfor %}x';
    const results = await small.composeBatch([GOOD(), job(greedy), GOOD()]);
    await small.close();
    expect(results.map((result) => (result.ok ? result.texts[0]! : result.reason))).toEqual([
      'Hi Ada',
      'output_too_large',
      'Hi Ada',
    ]);
    expect(results[1]).toMatchObject({ detail: 'out of memory' });
  });

  it('[EXE-10] a message with megabytes of values skips itself alone', async () => {
    const huge = job('{{ contact.company }}', { 'contact.company': 'x'.repeat(1_100_000) });
    const large = () => job('{{ contact.company | size }}', { 'contact.company': 'x'.repeat(900_000) });
    expect(await outcomes([huge, ...Array.from({ length: 12 }, large), GOOD()])).toEqual([
      'output_too_large',
      ...Array.from({ length: 12 }, () => '900000'),
      'Hi Ada',
    ]);
  });

  it('[EXE-10] megabytes of output are stopped', async () => {
    const attacks = [
      `{% for a in (1..1000) %}{% for b in (1..1000) %}${'0123456789'.repeat(1_000)}{% endfor %}{% endfor %}`,
      '{% assign x = "0123456789" %}{% for a in (1..60) %}{% assign x = x | append: x %}{% endfor %}{{ x }}',
      '{% assign x = "aa" %}{% for a in (1..9) %}{% assign x = x | replace: "a", "aaaaaaaaaa" %}{% endfor %}{{ x }}',
      '{% assign x = "aa" %}{% for a in (1..60) %}{% capture x %}{{ x }}{{ x }}{% endcapture %}{% endfor %}{{ x }}',
      // CVE-2026-45357: a date's width went round the memory limit.
      '{{ "2026-01-01" | date: "%100000000d" }}',
      '{{ "2026-01-01" | date: "%1000000000N" }}',
      '{% for a in (1..1000000000) %}x{% endfor %}',
      '{{ (1..100000000) | join: "x" }}',
    ];
    const results = await outcomes([GOOD(), ...attacks.flatMap((attack) => [job(attack), GOOD()])]);
    const stopped = attacks.map((attack, index) => [attack.slice(0, 60), results[2 * index + 1]]);
    // On a busy machine the longer ones run out of time before they run out of room; either way they stop.
    for (const [attack, reason] of stopped) {
      expect([attack, ['output_too_large', 'template_timeout'].includes(reason!)]).toEqual([attack, true]);
    }
    expect(results.filter((_, index) => index % 2 === 0)).toEqual([...attacks, ''].map(() => 'Hi Ada'));
  });

  it('reaches nothing outside its data', async () => {
    const sources = [
      '{{ contact.constructor }}',
      '{{ contact.__proto__ }}',
      '{{ contact.first_name.constructor }}',
      '{{ process }}',
      '{{ globalThis.process.env }}',
      '{{ toString }}',
    ];
    const jobs = sources.map((source) => job(source, { 'contact.first_name': 'Ada' }));
    expect(await outcomes(jobs)).toEqual(sources.map(() => 'missing_variable'));
    const forbidden = ['{% include "x" %}', '{% render "x" %}', '{% layout "x" %}', '{{ "a" | json }}'];
    expect(await outcomes(forbidden.map((source) => job(source)))).toEqual(
      forbidden.map(() => 'template_error'),
    );
  });

  it('[EXE-10] stops three jobs of a template that hangs, and tells the others that they were not tried', async () => {
    const before = performance.now();
    const endless = (count: number) => Array.from({ length: count }, () => job(EMPTY_LOOPS, {}, 'endless'));
    const first = await outcomes([...endless(200), GOOD()]);
    expect(first.slice(0, 3)).toEqual(Array.from({ length: 3 }, () => 'template_timeout'));
    expect(first.slice(3)).toEqual([...Array.from({ length: 197 }, () => 'template_busy'), 'Hi Ada']);
    // From now on one a batch; who comes alone is always tried.
    const second = await outcomes([...endless(3), GOOD()]);
    expect(second).toEqual(['template_timeout', 'template_busy', 'template_busy', 'Hi Ada']);
    expect(await outcomes(endless(1))).toEqual(['template_timeout']);
    expect(performance.now() - before).toBeLessThan(10_000);
  });

  it('[EXE-10] judges every job of a template by itself, however many of them hang', async () => {
    const source =
      '{% for a in (1..contact.n) %}{% for b in (1..contact.n) %}{% for c in (1..contact.n) %}{% endfor %}{% endfor %}{% endfor %}Hi';
    const sizes = Array.from({ length: 30 }, (_, index) => (index % 5 === 4 ? 900 : 1));
    const ends = new Array<string>(sizes.length);
    let waiting = [...sizes.keys()];
    for (let batch = 0; waiting.length > 0; batch++) {
      expect(batch).toBeLessThan(6);
      const results = await outcomes(
        waiting.map((index) => job(source, { 'contact.n': sizes[index] }, 'by value')),
      );
      for (const [place, index] of waiting.entries()) ends[index] = results[place]!;
      // Alone, the verdict is its own, whatever others did.
      expect(await outcomes([job(source, { 'contact.n': 1 }, 'by value')])).toEqual(['Hi']);
      waiting = waiting.filter((index) => ends[index] === 'template_busy');
    }
    expect(ends).toEqual(sizes.map((size) => (size === 900 ? 'template_timeout' : 'Hi')));
  });

  it('serves callers that come at the same time', async () => {
    const batches = await Promise.all([
      outcomes([GOOD()]),
      outcomes([job(EMPTY_LOOPS), GOOD()]),
      outcomes([GOOD()]),
    ]);
    expect(batches).toEqual([['Hi Ada'], ['template_timeout', 'Hi Ada'], ['Hi Ada']]);
  });
});

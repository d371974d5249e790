/** The routes of openapi.json, and the `/api/…` routes in a text that are none of them. */

/** Served, but not described by themselves. */
const UNDESCRIBED = ['/api/openapi.json', '/api/docs'];
const HOST = '(?:https?://[\\w.:$-]+|[\\w.-]+:\\d+|\\$\\w+)?';
/** Not inside a longer path: `src/api/` is a folder. */
const ROUTE = new RegExp(
  `(?:\\b(GET|POST|PUT|PATCH|DELETE) +)?(?<![\\w./$:-])${HOST}(/api/[\\w:{}$.*-][\\w:{}$.*/-]*)`,
  'g',
);

function segments(path) {
  return path.replace(/\/$/, '').split('/').slice(1);
}

/** What may stand for a parameter: `:id`, `{id}`, `$ID`, `*`, `TOUCH`, or an id with a digit in it. */
const STANDS_FOR_ANY = /^[:{$*]|\d|^[A-Z_]+$/;

/** A plain word fits a parameter only when its description lists that value: `/api/contacts/typo` is no route. */
function fits(described, named) {
  if (named.length !== described.parts.length) return false;
  return described.parts.every((part, index) => {
    const word = named[index];
    if (!part.startsWith('{')) return word === part;
    return STANDS_FOR_ANY.test(word) || described.values.get(part.slice(1, -1))?.includes(word);
  });
}

/** The values that enumerated path parameters may take, by parameter. */
function valuesOf(item) {
  const lists = [item, ...Object.values(item)].map((holder) => holder?.parameters).filter(Array.isArray);
  return new Map(lists.flat().map(({ name, schema }) => [name, schema?.enum]));
}

export function routesOf(openapi) {
  const described = Object.entries(openapi.paths ?? {}).map(([path, item]) => ({
    parts: segments(path),
    values: valuesOf(item),
    methods: new Set(Object.keys(item).map((method) => method.toUpperCase())),
  }));
  return {
    unknown(text) {
      const messages = [];
      for (const [, method, found] of text.matchAll(ROUTE)) {
        const path = found.replace(/[.:]+$/, '');
        if (UNDESCRIBED.includes(path)) continue;
        if (path.endsWith('*')) {
          const prefix = segments(path).slice(0, -1);
          const begins = (route) => fits({ ...route, parts: route.parts.slice(0, prefix.length) }, prefix);
          if (!described.some(begins)) {
            messages.push(`no route of openapi.json begins like ${path}`);
          }
          continue;
        }
        const matching = described.filter((route) => fits(route, segments(path)));
        if (matching.length === 0) messages.push(`${path} is no route of openapi.json`);
        else if (method && !matching.some(({ methods }) => methods.has(method))) {
          messages.push(`${path} has no ${method} in openapi.json`);
        }
      }
      return messages;
    },
  };
}

/** The import rules, from the one table of rooms in scripts/check/rooms.mjs. Run by scripts/check/architecture.mjs. */
const { rules } = require('./scripts/check/rooms.mjs');

module.exports = {
  forbidden: rules(),
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    // Type imports count: a room that names another's types depends on it.
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)dist/' },
  },
};

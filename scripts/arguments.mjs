/** What the scripts for developers are called with. `--help` answers with `help`; what is not understood ends with 2, and says what is. */
import { parseArgs } from 'node:util';

/** @param {string} help @param {NonNullable<import('node:util').ParseArgsConfig['options']>} options as those of `parseArgs` */
export function readArguments(help, options) {
  try {
    const { values } = parseArgs({ options: { ...options, help: { type: 'boolean', default: false } } });
    if (!values.help) return values;
  } catch (error) {
    refuse(help, error.message);
  }
  console.log(help);
  process.exit(0);
}

/** @param {string} help @param {string} what is wrong @returns {never} */
export function refuse(help, what) {
  console.error(`${what}\n\n${help}`);
  process.exit(2);
}

/** A whole number from `least` to `most`. */
export function wholeNumber(help, name, text, least, most) {
  const number = Number(text);
  if (Number.isInteger(number) && number >= least && number <= most) return number;
  return refuse(help, `--${name} is a whole number from ${least} to ${most}`);
}

/** Processes of the row ours: started, and listened to by the keys of their messages. */
import { fork } from 'node:child_process';
import { join } from 'node:path';
import { NODE_OPTIONS } from '../node-options.mjs';

/** @param {string} file beside this one @param {object} options handed over as its only argument */
export function startChild(file, options) {
  const args = [JSON.stringify(options)];
  return fork(join(import.meta.dirname, file), args, {
    execArgv: NODE_OPTIONS,
    stdio: ['ignore', 2, 2, 'ipc'],
  });
}

/** The first message that has that key; refused when the process ends before. */
export function heard(child, key) {
  return new Promise((resolve, reject) => {
    const listen = (message) => {
      if (message[key] === undefined) return;
      child.off('message', listen);
      child.off('exit', gone);
      resolve(message[key]);
    };
    const gone = (code, signal) =>
      reject(new Error(`a process of row ours ended: ${signal ?? `code ${code}`}`));
    child.on('message', listen);
    child.once('exit', gone);
  });
}

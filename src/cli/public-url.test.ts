import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ConfigError, removeRun, writeRun } from '../config.ts';
import { publicUrlElsewhere } from './public-url.ts';

let cadenza_data: string;
beforeEach(() => {
  cadenza_data = mkdtempSync(join(tmpdir(), 'cadenza-url-'));
});
afterEach(() => rmSync(cadenza_data, { recursive: true, force: true }));

it('[CON-5] links of a process that does not listen have the port of the one that does, or there are none', () => {
  const config = { host: '127.0.0.1', port: 0, cadenza_data, public_url: undefined };
  expect(() => publicUrlElsewhere(config)).toThrow(ConfigError);
  expect(() => publicUrlElsewhere(config)).toThrow(/PUBLIC_URL/);
  const urls = { database_url: 'postgres://a@127.0.0.1/a', app_database_url: 'postgres://b@127.0.0.1/b' };
  writeRun(config, { pid: process.pid, port: 4711, ...urls });
  expect(publicUrlElsewhere(config)).toBe('http://127.0.0.1:4711');
  expect(publicUrlElsewhere({ ...config, port: 3000 })).toBe('http://127.0.0.1:3000');
  expect(publicUrlElsewhere({ ...config, public_url: 'https://mail.example.com' })).toBe(
    'https://mail.example.com',
  );
  removeRun(config);
  expect(() => publicUrlElsewhere(config)).toThrow(ConfigError);
});

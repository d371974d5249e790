import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConfigError, loadConfig, masterSecrets, readRun, removeRun, writeRun } from '../../src/config.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'cadenza-config-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

describe('configuration', () => {
  test('has defaults for everything', () => {
    expect(loadConfig({})).toMatchObject({
      port: 3000,
      host: '127.0.0.1',
      trust_proxy: false,
      rate_limit_per_minute: 600,
      body_limit_bytes: 1_048_576,
    });
    expect(loadConfig({}).database_url).toBeUndefined();
    expect(loadConfig({ PORT: '', DATABASE_URL: '' }).port).toBe(3000);
  });

  test('names every bad value at once', () => {
    const bad = {
      PORT: '70000',
      DATABASE_URL: 'mysql://x',
      LOG_LEVEL: 'loud',
      TRUST_PROXY: 'yes',
      CADENZA_SECRET: 'short',
      BODY_LIMIT_BYTES: '1e6',
    };
    const message = (() => {
      try {
        loadConfig(bad);
        return '';
      } catch (error) {
        expect(error).toBeInstanceOf(ConfigError);
        return (error as Error).message;
      }
    })();
    for (const name of Object.keys(bad)) expect(message).toContain(`${name}: `);
    expect(message).not.toContain('short\n');
  });

  test('PUBLIC_URL loses its trailing slash', () => {
    expect(loadConfig({ PUBLIC_URL: 'https://mail.example.org/' }).public_url).toBe(
      'https://mail.example.org',
    );
  });
});

describe('the master secret', () => {
  test('[TEN-8] is made at the first start, readable by its owner only, and stays', () => {
    const config = { cadenza_data: join(dir, 'data'), cadenza_secret: undefined };
    const first = masterSecrets(config);
    expect(first).toHaveLength(1);
    expect(first[0]!.length).toBeGreaterThanOrEqual(43);
    expect(masterSecrets(config)).toEqual(first);
    expect(statSync(join(dir, 'data', 'secrets.json')).mode & 0o777).toBe(0o600);
    expect(statSync(join(dir, 'data')).mode & 0o777).toBe(0o700);
  });

  test('[TEN-8] is different in each installation', () => {
    const one = masterSecrets({ cadenza_data: join(dir, 'a'), cadenza_secret: undefined });
    expect(masterSecrets({ cadenza_data: join(dir, 'b'), cadenza_secret: undefined })).not.toEqual(one);
  });

  test('comes from CADENZA_SECRET when that is set, newest first', () => {
    const [a, b] = ['a'.repeat(32), 'b'.repeat(32)];
    expect(masterSecrets(loadConfig({ CADENZA_SECRET: `${a}, ${b}`, CADENZA_DATA: dir }))).toEqual([a, b]);
  });

  test('a file that cannot be read is never replaced', () => {
    const path = join(dir, 'secrets.json');
    writeFileSync(path, 'broken');
    expect(() => masterSecrets({ cadenza_data: dir, cadenza_secret: undefined })).toThrow(ConfigError);
    expect(readFileSync(path, 'utf8')).toBe('broken');
  });
});

describe('the note of a running installation', () => {
  const run = { port: 1, database_url: 'postgres://o', app_database_url: 'postgres://a' };

  test('is found while its process lives, and is private', () => {
    expect(readRun({ cadenza_data: dir })).toBeNull();
    writeRun({ cadenza_data: dir }, { ...run, pid: process.pid });
    expect(readRun({ cadenza_data: dir })).toEqual({ ...run, pid: process.pid });
    expect(statSync(join(dir, 'run.json')).mode & 0o777).toBe(0o600);
    removeRun({ cadenza_data: dir });
    expect(readRun({ cadenza_data: dir })).toBeNull();
  });

  test('of a dead process is no running installation, and is left to its successor', () => {
    // No process has this id: it is above the limit of every system.
    const dead = 2 ** 22 + 7;
    writeRun({ cadenza_data: dir }, { ...run, pid: dead });
    expect(readRun({ cadenza_data: dir })).toBeNull();
    removeRun({ cadenza_data: dir });
    expect(JSON.parse(readFileSync(join(dir, 'run.json'), 'utf8')).pid).toBe(dead);
  });
});

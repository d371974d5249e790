/**
 * Server settings. They are given on the command line, so that the newest version's settings rule over an older
 * data directory and over PG* variables of the caller's shell. Measured for a laptop with two cores and 8 GB.
 */
const BASE: Record<string, string> = {
  listen_addresses: '127.0.0.1',
  // No Unix socket: everybody connects over loopback with a password, and a socket has a path limit of 107
  // bytes and fails on some mounted folders.
  unix_socket_directories: '',
  max_connections: '120',
  shared_buffers: '256MB',
  work_mem: '16MB',
  maintenance_work_mem: '128MB',
  max_wal_size: '2GB',
  checkpoint_timeout: '10min',
  random_page_cost: '1.1',
  synchronous_commit: 'on',
  password_encryption: 'scram-sha-256',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_checkpoints: 'off',
  log_line_prefix: '%m [%p] %d ',
};

/**
 * For data that may be lost with the machine (a throw-away test cluster): nothing waits for the disk. A commit
 * still reaches the system before it is acknowledged, so that a killed server loses nothing.
 */
const VOLATILE: Record<string, string> = { fsync: 'off', full_page_writes: 'off' };

const DURABLE: Record<string, string> = { fsync: 'on', full_page_writes: 'on' };

/** `-c name=value` for each; the caller's come last and win. */
export function settingArguments(durable: boolean, own: Record<string, string>): string[] {
  const all = { ...BASE, ...(durable ? DURABLE : VOLATILE), ...own };
  return Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

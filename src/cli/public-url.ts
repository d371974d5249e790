/**
 * Where links of a process point that does not listen itself (`worker`, `due`): `PUBLIC_URL`, else the port that is
 * configured, else the one that the `cadenza up` of the same data directory got.
 */
import { type Config, ConfigError, readRun } from '../config.ts';

type Asked = Pick<Config, 'public_url' | 'host' | 'port' | 'cadenza_data'>;

/** Without a slash at the end. @throws ConfigError when nobody knows the port: links to port 0 would go out for good */
export function publicUrlElsewhere(config: Asked): string {
  if (config.public_url !== undefined) return config.public_url;
  const port = config.port === 0 ? readRun(config)?.port : config.port;
  if (port === undefined)
    throw new ConfigError(
      'PORT is 0 and no Cadenza runs on this data directory that has taken a port: links would point nowhere. Set PUBLIC_URL, or PORT.',
    );
  return `http://${config.host}:${port}`;
}

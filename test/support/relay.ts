/** A small SMTP server with a login, on a free port: what a sender is verified against. */
import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';

export interface Relay {
  port: number;
  /** Every user name and password that was tried. */
  logins: { username: string; password: string }[];
  /** Called at each sign-in, before it is answered. */
  onLogin: () => Promise<void>;
  close(): Promise<void>;
}

/** Accepts `password` for any user. A refusal repeats what it was told, as careless servers do. */
export async function startRelay(password: string): Promise<Relay> {
  const logins: Relay['logins'] = [];
  const server = new SMTPServer({
    authMethods: ['PLAIN', 'LOGIN'],
    allowInsecureAuth: true,
    disabledCommands: ['STARTTLS'],
    onAuth(auth, _session, done) {
      const given = { username: auth.username ?? '', password: auth.password ?? '' };
      logins.push(given);
      relay
        .onLogin()
        .then(
          () =>
            given.password === password
              ? done(null, { user: given.username })
              : done(new Error(`535 no login with ${given.password}`)),
          done,
        );
    },
  });
  server.on('error', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const relay: Relay = {
    port: (server.server.address() as AddressInfo).port,
    logins,
    onLogin: async () => undefined,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
  return relay;
}

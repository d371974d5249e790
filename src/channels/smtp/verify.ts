/**
 * Tries a sender without sending: connect, encrypt, sign in, and ask whether mail from this address is taken
 * (MAIL FROM, then RSET; no recipient is named). Each check is one sentence a person can act on.
 */
import type { VerifyOptions, VerifyOutcome } from '../channel.ts';
import { Forbidden } from '../http/guard.ts';
import { wireAddress } from '../mail/address.ts';
import type { SmtpConfig } from './config.ts';
import { clip } from './reply.ts';
import { aside, type Opened, openSession, quit, type Session, type SessionStep } from './session.ts';

type Check = VerifyOutcome['checks'][number];
type Failed = Extract<Opened, { ok: false }>;

export async function verifySmtp(config: SmtpConfig, options: VerifyOptions): Promise<VerifyOutcome> {
  const deadline = Date.now() + options.timeout_ms;
  const opened = await openSession(config, deadline, options.network);
  if (!opened.ok) return verdict(config, failedChecks(config, opened));
  const checks = passedChecks(config, opened.session);
  checks.push(await senderCheck(opened.session, options.from, deadline));
  await quit(opened.session);
  return verdict(config, checks);
}

function verdict(config: SmtpConfig, checks: Check[]): VerifyOutcome {
  const failed = checks.find((check) => !check.ok);
  const detail = failed?.detail ?? `${config.host}:${config.port} is ready to send.`;
  return { ok: !failed, detail, checks };
}

function passedChecks(config: SmtpConfig, session: Session): Check[] {
  const checks: Check[] = [
    { name: 'connect', ok: true, detail: `${config.host}:${config.port} answers.` },
    session.connection.secure
      ? { name: 'encrypt', ok: true, detail: 'The connection is encrypted.' }
      : { name: 'encrypt', ok: true, detail: 'The server offers no encryption; mail goes out in the clear.' },
  ];
  if (config.username !== undefined) {
    checks.push({ name: 'sign_in', ok: true, detail: `Signed in as ${config.username}.` });
  }
  return checks;
}

const CHECK_OF: Record<SessionStep, string> = { connect: 'connect', tls: 'encrypt', auth: 'sign_in' };

function failedChecks(config: SmtpConfig, failed: Failed): Check[] {
  const checks: Check[] = [];
  if (failed.step !== 'connect') {
    checks.push({ name: 'connect', ok: true, detail: `${config.host}:${config.port} answers.` });
  }
  checks.push({ name: CHECK_OF[failed.step], ok: false, detail: advice(config, failed) });
  return checks;
}

function advice(config: SmtpConfig, { step, outcome, error }: Failed): string {
  const at = `${config.host}:${config.port}`;
  const code = error?.originalCode ?? error?.code;
  const said = clip(error?.response ?? error?.message ?? '');
  if (step === 'auth') {
    return error
      ? `The server did not accept the user name and password: ${said}`
      : `${at} did not answer the sign-in in time.`;
  }
  if (step === 'tls') {
    if (/wrong version|EPROTO|packet length/i.test(`${code} ${said}`)) {
      return `${at} does not speak TLS from the first byte; use secure: false (usual for ports 587 and 25).`;
    }
    if (/CERT|SELF_SIGNED|self.signed|certificate|UNABLE_TO_/i.test(`${code} ${said}`)) {
      return `The certificate of ${at} is not trusted (${said}); check the host name or set tls.reject_unauthorized: false.`;
    }
    return `${at} cannot be encrypted: ${said}`;
  }
  if (error instanceof Forbidden) return `${at} may not be reached: ${said}.`;
  if (outcome.kind === 'refused') return `${at} turned us away: ${said}`;
  if (code === 'ECONNREFUSED') return `Nothing listens on ${at}; check host and port.`;
  if (code === 'EDNS' || code === 'ENOTFOUND') return `The host name ${config.host} does not exist.`;
  if (error === null || error.code === 'ETIMEDOUT') {
    return `${at} did not answer in time; check port and firewall${config.secure ? '' : ', and set secure: true for port 465'}.`;
  }
  return `The connection to ${at} failed: ${said}`;
}

async function senderCheck(session: Session, from: string, deadline: number): Promise<Check> {
  const name = 'sender';
  const address = wireAddress(from);
  if (!address) return { name, ok: false, detail: `${clip(from)} is not an e-mail address.` };
  const asked = aside(session, async ({ sendCommand }) => {
    const reply = await sendCommand(`MAIL FROM:<${address.address}>`);
    await sendCommand('RSET');
    return reply;
  });
  const lost = new Promise<null>((resolve) => {
    const timer = setTimeout(resolve, deadline - Date.now(), null);
    session.connection.once('end', () => {
      clearTimeout(timer);
      resolve(null);
    });
  });
  const reply = await Promise.race([asked, lost]);
  if (!reply)
    return { name, ok: false, detail: 'The server closed the connection or fell silent at MAIL FROM.' };
  if (reply.status >= 200 && reply.status < 300) {
    return { name, ok: true, detail: `The server takes mail from ${address.address}.` };
  }
  return {
    name,
    ok: false,
    detail: `The server refuses mail from ${address.address}: ${clip(reply.response)}`,
  };
}

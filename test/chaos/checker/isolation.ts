/**
 * I7: one organization's recipients never get a call from another's account; what the API shows with one key belongs
 * to that organization; another organization's ids answer 404.
 */
import type { Evidence } from './evidence.ts';
import type { Violation } from './violation.ts';

export function checkIsolation(evidence: Evidence): Violation[] {
  return [...calls(evidence), ...shown(evidence), ...probes(evidence)];
}

function calls(evidence: Evidence): Violation[] {
  const accounts = new Map<string, string>();
  const channels = new Map<string, string>();
  const touches = new Map(evidence.touches.map(({ id, channel }) => [id, channel]));
  const recipients = new Map<string, string>();
  for (const { label, senders, contacts } of evidence.organizations) {
    for (const { account, channel } of senders) {
      accounts.set(account, label);
      channels.set(account, channel);
    }
    for (const address of Object.values(contacts).flat()) recipients.set(address, label);
  }
  const found: Violation[] = [];
  for (const { event, account, recipient, call, touch_id } of evidence.journal) {
    if (event !== 'begun') continue;
    const [from, to] = [accounts.get(account ?? ''), recipients.get(recipient ?? '')];
    if (from === undefined || from !== to)
      found.push({
        invariant: 'I7',
        what: `an account of ${from ?? 'nobody'} was used for a recipient of ${to ?? 'nobody'}`,
        call,
        touch: touch_id,
        account,
        recipient,
      });
    const [wanted, used] = [touches.get(touch_id ?? ''), channels.get(account ?? '')];
    if (wanted !== undefined && used !== undefined && wanted !== used)
      found.push({
        invariant: 'I7',
        what: `an account of ${used} was used for ${wanted}`,
        call,
        touch: touch_id,
        account,
      });
  }
  return found;
}

function shown(evidence: Evidence): Violation[] {
  const own = new Map(
    evidence.organizations.map(({ label, contacts, senders }) => [
      label,
      { contacts: new Set(Object.keys(contacts)), senders: new Set(senders.map((sender) => sender.id)) },
    ]),
  );
  const owners = new Map<string, string>();
  const found: Violation[] = [];
  for (const item of [...evidence.touches, ...evidence.enrollments]) {
    const { id, org, contact } = item;
    const other = owners.get(id);
    if (other !== undefined && other !== org)
      found.push({ invariant: 'I7', what: `the API shows it to ${other} and to ${org}`, id });
    owners.set(id, org);
    if (!own.get(org)?.contacts.has(contact))
      found.push({
        invariant: 'I7',
        what: `the API shows ${org} a contact that is not its own`,
        id,
        contact,
      });
    if ('sender' in item && item.sender !== null && !own.get(org)?.senders.has(item.sender))
      found.push({ invariant: 'I7', what: `the API shows ${org} a sender that is not its own`, id });
  }
  return found;
}

function probes(evidence: Evidence): Violation[] {
  return evidence.acks
    .filter((ack) => ack.act === 'probe' && ack.status !== null && ack.status !== 404 && ack.status < 500)
    .map(({ n, org, target, status }) => ({
      invariant: 'I7',
      what: `an id of another organization answered ${status}, not 404`,
      ack: n,
      org,
      target,
    }));
}

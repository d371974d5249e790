/** The domain by which colleagues are known; null for a domain where anybody may have an address. */

/** Of providers with one domain a country: the name before the ending. */
const ANY_ENDING = new Set([
  'yahoo',
  'hotmail',
  'outlook',
  'live',
  'gmx',
  'yandex',
  'msn',
  'ymail',
  'rocketmail',
]);

const FREE = new Set(
  `gmail.com googlemail.com icloud.com me.com mac.com aol.com aim.com proton.me protonmail.com protonmail.ch pm.me
   tutanota.com tutanota.de tuta.io tuta.com zoho.com zohomail.com mail.com email.com usa.com hey.com fastmail.com fastmail.fm
   hushmail.com mailbox.org posteo.de posteo.net web.de freenet.de t-online.de arcor.de online.de email.de 1und1.de
   orange.fr wanadoo.fr free.fr sfr.fr laposte.net neuf.fr bbox.fr libero.it virgilio.it tiscali.it alice.it tin.it
   btinternet.com sky.com virginmedia.com ntlworld.com talktalk.net blueyonder.co.uk
   comcast.net verizon.net att.net sbcglobal.net bellsouth.net cox.net charter.net earthlink.net juno.com optonline.net
   rogers.com shaw.ca bell.net sympatico.ca telus.net bigpond.com bigpond.net.au optusnet.com.au
   mail.ru bk.ru list.ru inbox.ru rambler.ru ya.ru ukr.net i.ua
   wp.pl o2.pl onet.pl interia.pl seznam.cz centrum.cz email.cz abv.bg
   uol.com.br bol.com.br terra.com.br ig.com.br globo.com
   qq.com foxmail.com 163.com 126.com yeah.net sina.com sina.cn sohu.com aliyun.com naver.com daum.net hanmail.net
   rediffmail.com docomo.ne.jp ezweb.ne.jp softbank.ne.jp bluewin.ch hispeed.ch chello.at aon.at telenet.be skynet.be
   ziggo.nl kpnmail.nl planet.nl home.nl telia.com`.split(/\s+/),
);

/** `email` in its canonical form. */
export function companyDomain(email: string | null): string | null {
  const domain = email?.slice(email.lastIndexOf('@') + 1) ?? '';
  if (domain === '' || FREE.has(domain) || ANY_ENDING.has(domain.split('.')[0]!)) return null;
  return domain;
}

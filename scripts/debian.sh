#!/bin/sh
# Installs the Debian programs some tests and benches need. Quiet, idempotent, and nothing is started:
# the tests run private instances of their own.
set -eu

packages="postfix redis-server chromium postgresql-15"

missing=""
for package in $packages; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
  echo "Run this as root; it would install:$missing" >&2
  exit 1
fi

# invoke-rc.d asks this file before it starts a service; 101 means "not allowed". Kept if one is already there.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
# Without an answer Postfix's installer asks on the terminal; the tests bring their own configuration.
echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections

log=$(mktemp)
run() {
  if ! "$@" >"$log" 2>&1; then
    cat "$log" >&2
    echo "Failed: $*" >&2
    exit 1
  fi
}
run apt-get update -qq
# shellcheck disable=SC2086 # a list of package names
run apt-get install -y -qq --no-install-recommends $missing
rm -f "$log"

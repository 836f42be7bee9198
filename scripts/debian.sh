#!/usr/bin/env bash
# Install what the tests use beside Python, where that is possible: as root on Debian or Ubuntu. Elsewhere
# the tests that need it skip, saying so.
set -euo pipefail
packages=()
command -v chromium >/dev/null || packages+=(chromium)
command -v chromedriver >/dev/null || packages+=(chromium-driver)
compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null || packages+=(postgresql)
command -v redis-server >/dev/null || packages+=(redis-server)
if ! { command -v radosgw && command -v ceph-mon && command -v ceph-osd; } >/dev/null; then
  packages+=(radosgw ceph-mon ceph-osd)
fi
command -v npm >/dev/null || packages+=(npm)
command -v zsh >/dev/null || packages+=(zsh)
command -v fish >/dev/null || packages+=(fish)
command -v g++ >/dev/null || packages+=(g++)
command -v soffice >/dev/null || packages+=(libreoffice-calc-nogui)
[ ${#packages[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "not installed: ${packages[*]}; the tests that need them will skip" >&2
  exit 0
fi
echo "Installing ${packages[*]} …"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null

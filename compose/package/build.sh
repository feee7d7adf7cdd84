#!/usr/bin/env bash
# build.sh BINARY [DIRECTORY]: a Debian package of the given binary, by nfpm, into the directory
# (default: dist/ in the checkout).
#
# VERSION and ARCH say what the package is called; without them they are the checkout's version
# and this machine's architecture. HELPER is a binary that runs here and prints the man page
# and the completions, where BINARY is for another machine.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
case ${1:-} in
  '' | -h | --help)
    sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$here/build.sh"
    [ -n "${1:-}" ] && exit 0 || exit 2
    ;;
esac
root=$(cd "$here/../.." && pwd)
BINARY=$(realpath -e "$1")
out=$(realpath -m "${2:-$root/dist}")
VERSION=${VERSION:-$("$here/version.sh")}
ARCH=${ARCH:-$(go env GOARCH)}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || date +%s)}
GENERATED=$(mktemp -d)
trap 'rm -rf "$GENERATED"' EXIT
export BINARY VERSION ARCH SOURCE_DATE_EPOCH GENERATED

helper=${HELPER:-$BINARY}
"$helper" --help-man | gzip -9n >"$GENERATED/fremisn-exporter.1.gz"
"$helper" --completion-script-bash >"$GENERATED/completion.bash"
"$helper" --completion-script-zsh >"$GENERATED/completion.zsh"
gzip -9nc "$root/CHANGELOG.md" >"$GENERATED/CHANGELOG.md.gz"
gzip -9n >"$GENERATED/changelog.gz" <<CHANGES
fremisn-exporter ($VERSION) unstable; urgency=medium

  * CHANGELOG.md.gz beside this file lists the changes.

 -- fremisn-exporter contributors <fremisn-exporter@users.noreply.github.com>  $(date -u -R -d "@$SOURCE_DATE_EPOCH")
CHANGES

mkdir -p "$out"
cd "$here"
go tool nfpm package --config nfpm.yaml --packager deb --target "$out/"

#!/usr/bin/env bash
# build.sh BINARY [DIRECTORY]: a Debian package of the given binary, by nfpm, into the directory (default: dist/ in the checkout).
#
# VERSION is what the package is called; it comes from git where it is not set.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

case ${1:-} in
  '' | -h | --help)
    sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' build.sh
    [ -n "${1:-}" ] && exit 0 || exit 2
    ;;
esac
start=$OLDPWD
BINARY=$(cd "$start" && realpath -e "$1")
out=$(cd "$start" && realpath -m "${2:-$(cd "$OLDPWD" && git rev-parse --show-toplevel)/dist}")

# As Debian sorts them: v1.2.0-3-gabcdef, three commits after 1.2.0, is 1.2.0+3.gabcdef, v1.2.0-rc.1 is 1.2.0~rc.1, a bare commit is 0.0.0~abcdef.
VERSION=${VERSION:-$(git describe --tags --always 2>/dev/null || echo unknown)}
VERSION=$(printf '%s' "${VERSION#v}" | sed -E 's/-([0-9]+)-g([0-9a-f]+)/+\1.g\2/; s/-dirty$/+dirty/; s/-/~/g')
case $VERSION in [0-9]*.*) ;; *) VERSION=0.0.0~$VERSION ;; esac
ARCH=$(go env GOARCH)
export BINARY VERSION ARCH

mkdir -p "$out"
go tool nfpm package --config nfpm.yaml --packager deb --target "$out/"

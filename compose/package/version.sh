#!/usr/bin/env bash
# version.sh: the version of this checkout, as dpkg sorts it.
#
# It is what the file VERSION says in the commit that changed it, which is a release; 3 commits
# later it is VERSION+3.gHASH, which sorts after that release and before the next. Changes that
# are not committed add .dirty. Without git it is what VERSION says.
set -euo pipefail
case ${1:-} in -h | --help)
  sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$0"
  exit 0
  ;;
esac
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

version=$(cat VERSION)
# Debian sorts ~ before nothing: 1.2.0-rc.1 comes before 1.2.0.
version=${version//-/\~}
if released=$(git log -1 --format=%H -- VERSION 2>/dev/null) && [ -n "$released" ]; then
  commits=$(git rev-list --count "$released..HEAD")
  [ "$commits" = 0 ] || version+="+$commits.g$(git rev-parse --short=9 HEAD)"
  if ! git diff --quiet HEAD 2>/dev/null; then
    case $version in *+*) version+=.dirty ;; *) version+=+dirty ;; esac
  fi
fi
printf '%s\n' "$version"

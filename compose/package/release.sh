#!/usr/bin/env bash
# release.sh [DIRECTORY]: everything that a release consists of, into the directory (default:
# dist/ in the checkout, which is emptied first).
#
# Static binaries for Linux on amd64, arm64 and armv7 as .tar.gz, Debian packages for amd64 and
# arm64, a bill of materials (CycloneDX) and SHA256SUMS. Run twice on one commit it gives the
# same bytes: all times are those of the commit. TARGETS="amd64:" builds only for amd64.
set -euo pipefail
case ${1:-} in -h | --help)
  sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$0"
  exit 0
  ;;
esac
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
out=$(realpath -m "${1:-$root/dist}")
cd "$root"

version=${VERSION:-$("$here/version.sh")}
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y VERSION)}
export SOURCE_DATE_EPOCH
built=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
buildinfo=github.com/prometheus/common/version
flags="-s -w -buildid= -X $buildinfo.Version=$version -X $buildinfo.Revision=$revision"
flags="$flags -X $buildinfo.Branch=release -X $buildinfo.BuildDate=$built"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -rf "$out"
mkdir -p "$out"

compile() { # GOARCH GOARM INTO
  CGO_ENABLED=0 GOOS=linux GOARCH=$1 GOARM=$2 \
    go build -trimpath -buildvcs=false -ldflags "$flags" -o "$3" ./cmd/fremisn-exporter
}

# An archive of the folder $work/NAME.
pack() { # NAME
  tar --directory "$work" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=go-w \
    --create "$1" | gzip -9n >"$out/$1.tar.gz"
}

helper=$work/helper
CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "$flags" -o "$helper" ./cmd/fremisn-exporter
for target in ${TARGETS:-amd64: arm64: arm:7}; do
  arch=${target%:*} arm=${target#*:}
  name=fremisn-exporter-$version.linux-$arch${arm:+v$arm}
  mkdir -p "$work/$name/completions" "$work/$name/dashboards"
  compile "$arch" "$arm" "$work/$name/fremisn-exporter"
  cp README.md README.id.md CHANGELOG.md LICENSE "$work/$name/"
  cp compose/package/probes.yml "$work/$name/probes.yml"
  cp dashboards/*.json "$work/$name/dashboards/"
  cp -r alerts "$work/$name/alerts"
  (cd "$work/$name/alerts" && rm -rf ./*.go testdata mixin/*.go mixin/go.*)
  "$helper" --help-man >"$work/$name/fremisn-exporter.1"
  "$helper" --completion-script-bash >"$work/$name/completions/fremisn-exporter.bash"
  "$helper" --completion-script-zsh >"$work/$name/completions/_fremisn-exporter"
  find "$work/$name" -type f -exec chmod 644 {} +
  find "$work/$name" -type d -exec chmod 755 {} +
  chmod 755 "$work/$name/fremisn-exporter"
  pack "$name"
  case $arch in amd64 | arm64)
    VERSION=$version ARCH=$arch HELPER=$helper "$here/build.sh" "$work/$name/fremisn-exporter" "$out"
    ;;
  esac
done

# What the amd64 binary is made of. Time and serial number would differ from run to run.
(cd "$here" && go tool cyclonedx-gomod bin -json -noserial -version "$version" -output "$work/sbom.json" \
  "$work/fremisn-exporter-$version.linux-amd64/fremisn-exporter") 2>"$work/sbom.log" ||
  { cat "$work/sbom.log" >&2; exit 1; }
sed -E '/^ *"timestamp": "[^"]*",?$/d' "$work/sbom.json" >"$out/fremisn-exporter-$version.cdx.json"

(cd "$out" && sha256sum -- * >"$work/SHA256SUMS" && mv "$work/SHA256SUMS" .)
ls -l "$out"

# shellcheck shell=bash
# What the tests of the package share: a Debian made by debootstrap that boots in systemd-nspawn, and words for what
# holds. Sourced after `set -euo pipefail`.

self=$(realpath "$0") # the test that runs

fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
is() { # WHAT GOT WANTED
  [ "$2" = "$3" ] || fail "$1: got \"$2\", want \"$3\""
  printf 'ok: %s: %s\n' "$1" "$2"
}
# has WHAT TEXT PART
has() {
  case $2 in *"$3"*) printf 'ok: %s\n' "$1" ;; *) fail "$1: no \"$3\" in: $2" ;; esac
}
# within SECONDS WHAT COMMAND... tries again until a command succeeds.
within() {
  local until=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$until" ] || fail "$what (waited)"
    sleep 0.2
  done
  printf 'ok: %s\n' "$what"
}

# serves REGEXP succeeds when a line of the exporter's /metrics matches.
serves() { curl -fsS localhost:9113/metrics | grep "$1" >/dev/null; }

# debian_root prints the folder of a minimal Debian with NGINX and Prometheus, of the host's own release. It takes
# minutes to make, so it is made once and kept in the user's cache; delete it there to have a new one.
debian_root() {
  local release cache base
  local packages=nginx-light,prometheus,curl,systemd,systemd-sysv,dbus,procps,sudo,git,make,ca-certificates,nano
  # shellcheck source=/dev/null
  release=$(. /etc/os-release && echo "$VERSION_CODENAME")
  cache=${XDG_CACHE_HOME:-$HOME/.cache}/fremisn-exporter
  base=$cache/debian-$release
  if [ ! -e "$base" ]; then
    mkdir -p "$cache"
    rm -rf --one-file-system "$base.unfinished"
    debootstrap --variant=minbase --include="$packages" "$release" "$base.unfinished" >"$cache/debootstrap.log" 2>&1 ||
      { tail -n 20 "$cache/debootstrap.log" >&2; fail debootstrap; }
    rm -rf "$base.unfinished"/var/cache/apt/archives/*.deb "$base.unfinished"/var/lib/apt/lists/*
    ln -sf /dev/null "$base.unfinished/etc/systemd/system/prometheus.service"
    printf '127.0.0.1 localhost debian\n' >"$base.unfinished/etc/hosts"
    echo debian >"$base.unfinished/etc/hostname"
    mv "$base.unfinished" "$base"
  fi
  printf '%s\n' "$base"
}

# prepare enters the checkout and makes a Debian in $work/root, with the test that runs as /root/test.sh. It is deleted
# when the test ends.
prepare() {
  cd "$(dirname "$self")/../.." || exit
  [ "$(id -u)" = 0 ] || fail 'only root can boot a container'
  work=$(mktemp -d "${TMPDIR:-/tmp}/fremisn-$(basename "$self" .sh).XXXXXX")
  trap 'rm -rf --one-file-system "$work"' EXIT
  cp -a "$(debian_root)" "$work/root"
  cp "$self" "$work/root/root/test.sh"
  cp compose/package/root.sh "$work/root/root/"
}

# run_test OPTION is the whole of a test: outside boots the Debian, and inside is what runs in it.
run_test() {
  case ${1:-} in
    --inside) inside ;;
    -h | --help) sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$self" ;;
    *) outside ;;
  esac
}

# boot SECONDS FOLDER [NSPAWN_OPTION]... boots the Debian in FOLDER without a network, runs /root/test.sh --inside
# there, shows what it says, and fails unless its last line is "all of it holds".
boot() {
  local seconds=$1 folder=$2
  shift 2
  cat >"$folder/etc/systemd/system/test.service" <<UNIT
[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/bash /root/test.sh --inside
StandardOutput=file:/root/output
StandardError=inherit
ExecStopPost=/bin/systemctl poweroff --no-block
TimeoutStartSec=$seconds
UNIT
  mkdir -p "$folder/etc/systemd/system/multi-user.target.wants"
  ln -sf ../test.service "$folder/etc/systemd/system/multi-user.target.wants/test.service"
  timeout $((seconds + 100)) systemd-nspawn -q -D "$folder" --register=no --keep-unit --private-network "$@" -b \
    >"$folder/boot.log" 2>&1 || { tail -n 20 "$folder/boot.log" >&2; fail 'the container did not boot and end'; }
  cat "$folder/root/output"
  [ "$(tail -n 1 "$folder/root/output")" = 'all of it holds' ] || exit 1
}

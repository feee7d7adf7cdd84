#!/bin/sh
# Starts NGINX and, beside it in the same container, the rotation of its logs: by size, rename first, then USR1,
# as logrotate does it. POSIX sh and busybox are enough, so any official nginx image will do.
set -eu

dir=${LOG_DIR:-/var/log/nginx}
max=${LOG_MAX_BYTES:-104857600}
keep=${LOG_KEEP:-5}
every=${LOG_CHECK_SECONDS:-30}
master=$$ # exec below keeps the process id: this shell becomes NGINX's master

[ "$keep" -ge 2 ] || keep=2 # the newest and one that is compressed

# access.log → access.log.1 → access.log.2.gz → …; the newest is not compressed before the next turn, because
# workers write to it until each has reopened. Nothing is moved or removed before the one to be compressed is: a full
# disk stops the turn, and costs no log.
rotate() {
  log=$1
  n=$keep
  if [ -e "$log.1" ]; then
    gzip -c "$log.1" >"$log.2.gz.part" || { rm -f "$log.2.gz.part"; return 1; }
  fi
  rm -f "$log.$n.gz"
  while [ "$n" -gt 2 ]; do
    [ ! -e "$log.$((n - 1)).gz" ] || mv "$log.$((n - 1)).gz" "$log.$n.gz" || return 1
    n=$((n - 1))
  done
  if [ -e "$log.2.gz.part" ]; then
    mv "$log.2.gz.part" "$log.2.gz" && rm -f "$log.1" || return 1
  fi
  mv "$log" "$log.1"
}

watch_logs() {
  while sleep "$every" && kill -0 "$master"; do
    turned=
    for log in "$dir"/*.log; do
      [ -f "$log" ] || continue
      [ "$(stat -c %s "$log")" -ge "$max" ] || continue
      if rotate "$log"; then turned=yes; else echo "cannot rotate $log" >&2; fi
    done
    [ -z "$turned" ] || kill -USR1 "$master"
  done
}

mkdir -p "$dir"
# A failure in one turn is reported and tried again in the next one; the loop ends with the container.
(set +e; watch_logs) &
# Arguments are further options of NGINX, but no -g: it takes one alone.
exec nginx -g 'daemon off;' "$@"

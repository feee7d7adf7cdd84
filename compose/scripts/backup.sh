#!/usr/bin/env bash
# backup.sh: Prometheus (by its snapshot API), Grafana, the exporter's state and the configs in one verified archive.
#
#   backup.sh [backup]       make one in BACKUP_DIR, verify it, keep the newest BACKUP_KEEP
#   backup.sh list           what there is
#   backup.sh verify FILE    is it whole?
#   backup.sh restore FILE   put the data back; it replaces what is there now, so it wants --yes
#   --dir DIR  --keep N  --dry-run
#   --yes          restore: yes, replace the data
#   --with-config  restore: the configs and .env, too (else they stay as they are)
# Archives hold Grafana's database and .env, which means secrets: they are readable by their owner alone.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
umask 077

load_env
dir=${BACKUP_DIR:-/var/backups/fremisn} keep=${BACKUP_KEEP:-7} dry_run='' yes='' with_config='' words=()
while [ $# -gt 0 ]; do
  case $1 in
    --dir | --keep)
      need_value "$@"
      if [ "$1" = --dir ]; then dir=$2; else keep=$2; fi
      shift
      ;;
    --dry-run) dry_run=yes ;;
    --yes) yes=yes ;;
    --with-config) with_config=yes ;;
    -h | --help) usage && exit 0 ;;
    -*) wrong_use "unknown option $1" ;;
    *) words+=("$1") ;;
  esac
  shift
done
need_number --keep "$keep"
need curl tar gzip sha256sum

declare -A store=(
  [prometheus]=${PROMETHEUS_STORE-volume:fremisn-prometheus-data}
  [grafana]=${GRAFANA_STORE-volume:fremisn-grafana-data}
  [exporter]=${EXPORTER_STORE-volume:fremisn-exporter-data}
)
services=(prometheus grafana exporter)

# in_store NAME MODE COMMAND... runs a command in a store's directory: the host's, or a volume's in a container of an image
# that the stack has anyway. MODE is ro or rw.
in_store() {
  local where=${store[$1]} mode=$2
  shift 2
  case $where in
    volume:*)
      docker run --rm -i --network none -v "${where#volume:}:/store:$mode" -w /store --entrypoint "$1" \
        "${NGINX_IMAGE:-nginx:1.28.0}" "${@:2}"
      ;;
    *) (cd "$where" && "$@") ;;
  esac
}

uses_volumes() { [[ "${store[*]}" == *volume:* ]]; }
container_runs() { [ "$(docker inspect -f '{{.State.Running}}' "$1" 2>/dev/null)" = true ]; }

save_prometheus() {
  local name
  name=$(get -X POST "$prometheus_url/api/v1/admin/tsdb/snapshot" | sed -n 's/.*"name":"\([^"]*\)".*/\1/p')
  [ -n "$name" ] || die 3 "Prometheus at $prometheus_url made no snapshot; does it run with --web.enable-admin-api?"
  in_store prometheus ro tar -C "snapshots/$name" -cf - . >"$1"
  in_store prometheus rw rm -rf "snapshots/$name"
}

# Grafana's database is one SQLite file. Paused, it cannot change between two reads.
save_grafana() {
  local paused=''
  if [[ ${store[grafana]} == volume:* ]] && container_runs fremisn-grafana; then
    docker pause fremisn-grafana >/dev/null
    paused=yes
  fi
  in_store grafana ro tar -cf - . >"$1" || { [ -z "$paused" ] || docker unpause fremisn-grafana >/dev/null; return 1; }
  [ -z "$paused" ] || docker unpause fremisn-grafana >/dev/null
}

# Every commit of the exporter's state replaces one whole file, so a copy is whole at any time.
save_exporter() { in_store exporter ro tar -cf - . >"$1"; }

save_config() {
  local paths=(compose/docker-compose.yml compose/probes.yml compose/nginx compose/prometheus compose/grafana)
  [ ! -e "$compose_dir/.env" ] || paths+=(compose/.env)
  [ ! -d "$root_dir/alerts" ] || paths+=(alerts)
  tar -C "$root_dir" -cf "$1" "${paths[@]}"
}

unpack() { # FILE: into $scratch/unpacked, checked
  rm -rf "$scratch/unpacked" && mkdir "$scratch/unpacked"
  tar -xzf "$1" -C "$scratch/unpacked" || die 1 "$1 is not a whole archive"
  [ -s "$scratch/unpacked/SHA256SUMS" ] || die 1 "$1 is no backup of this stack: it has no SHA256SUMS"
  (cd "$scratch/unpacked" && sha256sum --quiet -c SHA256SUMS) || die 1 "$1 is damaged"
}

verify() {
  local part block
  unpack "$1"
  for part in "$scratch"/unpacked/*.tar; do
    tar -tf "$part" >"$scratch/list" || die 1 "$1: ${part##*/} is damaged"
  done
  if [ -e "$scratch/unpacked/prometheus.tar" ]; then
    tar -tf "$scratch/unpacked/prometheus.tar" >"$scratch/list"
    while read -r block; do
      for part in meta.json index chunks/000001; do
        grep -qx "./$block/$part" "$scratch/list" || die 1 "$1: $part is missing in Prometheus' block $block"
      done
    done < <(sed -n 's,^\./\([0-9A-Z]\{26\}\)/$,\1,p' "$scratch/list")
    grep -q '/meta\.json$' "$scratch/list" || die 1 "$1: there is no block of Prometheus in it"
  fi
}

archives() { [ ! -d "$dir" ] || find "$dir" -maxdepth 1 -name 'fremisn-backup-*.tar.gz' | sort; }

make_backup() {
  local name file part partial
  file=$dir/fremisn-backup-$(date -u +%Y%m%dT%H%M%S.%3NZ).tar.gz
  if [ -n "$dry_run" ]; then
    for name in "${services[@]}"; do say "would save $name from ${store[$name]:-nowhere: left out}"; done
    say "would save the configs, write $file, verify it, and keep the newest $keep"
    return
  fi
  mkdir -p "$dir"
  partial=$scratch/new && mkdir "$partial"
  for name in "${services[@]}"; do
    [ -z "${store[$name]}" ] || "save_$name" "$partial/$name.tar"
  done
  save_config "$partial/config.tar"
  (cd "$partial" && sha256sum ./*.tar >SHA256SUMS)
  tar -C "$partial" -czf "$file.part" .
  verify "$file.part"
  mv "$file.part" "$file"
  archives | head -n "-$keep" | while read -r part; do
    rm -f "$part"
    say "removed $part (more than $keep)"
  done
  say "$file ($(du -h "$file" | cut -f 1)), verified"
}

# replace NAME empties a store and fills it from the backup.
replace() {
  in_store "$1" rw find . -mindepth 1 -delete
  in_store "$1" rw tar -xpf - <"$scratch/unpacked/$1.tar"
}

# restorable prints what the archive has and this machine has a place for.
restorable() {
  local name
  for name in "${services[@]}"; do
    if [ -e "$scratch/unpacked/$name.tar" ] && [ -n "${store[$name]}" ]; then echo "$name"; fi
  done
}

restore() {
  local name stopped=''
  verify "$1"
  for name in $(restorable); do say "$name: ${dry_run:+would be }replaced in ${store[$name]}"; done
  [ -z "$dry_run" ] || return 0
  [ -n "$yes" ] || die 2 'this replaces the data above; --yes does it'
  if uses_volumes; then
    compose stop prometheus grafana fremisn-exporter
    stopped=yes
  fi
  for name in $(restorable); do replace "$name"; done
  [ -z "$with_config" ] || tar -C "$root_dir" -xpf "$scratch/unpacked/config.tar"
  [ -z "$stopped" ] || compose up -d
  say "restored from $1"
}

command=${words[0]:-backup}
case $command:${#words[@]} in
  backup:0 | backup:1) make_backup ;;
  list:1) archives ;;
  verify:2) verify "${words[1]}" && say "${words[1]} is whole" ;;
  restore:2) restore "${words[1]}" ;;
  *) wrong_use "cannot do \"${words[*]}\"" ;;
esac

#!/usr/bin/env bash
# backup.sh: Prometheus (by its snapshot API), Grafana, the exporter's state and the
# configs in one verified archive.
#
#   backup.sh [backup]       make one in BACKUP_DIR, verify it, keep the newest
#                            BACKUP_KEEP; needs room there for twice its size
#   backup.sh list           what there is
#   backup.sh verify FILE    is it whole?
#   backup.sh restore FILE   put the data back; what is there now is replaced, once the
#                            new is unpacked beside it, so it wants --yes
#   --dir DIR  --keep N  --dry-run
#   --yes          restore: yes, replace the data
#   --with-config  restore: the configs and .env, too (else they stay as they are)
# Archives hold Grafana's database and .env, which means secrets: they are readable by
# their owner only.
# Exit codes: 0 done; 1 failed or damaged; 2 wrong use or a missing tool; 3 Prometheus
# does not answer.
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
[ -n "$prometheus_url" ] || store[prometheus]=''
services=(prometheus grafana exporter)

# What must not stay behind, however this ends.
unfinished='' paused='' snapshot='' stopped=''
cleanup() {
  [ -z "$paused" ] || docker unpause fremisn-grafana >/dev/null ||
    warn 'Grafana is still paused: docker unpause fremisn-grafana'
  [ -z "$snapshot" ] || in_store prometheus rw rm -rf "snapshots/$snapshot" ||
    warn "Prometheus' snapshot $snapshot could not be removed"
  [ -z "$unfinished" ] || rm -rf "$unfinished"
  [ -z "$stopped" ] || compose up -d || warn 'the stack did not come up again: docker compose up -d'
}

# in_store NAME MODE COMMAND... runs a command in a store's directory: the host's, or a volume's in a container of an
# image that the stack has anyway. MODE is ro or rw.
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
  snapshot=$(get -X POST "$prometheus_url/api/v1/admin/tsdb/snapshot" 2>"$scratch/curl.err" |
    sed -n 's/.*"name":"\([^"]*\)".*/\1/p') || true
  [ -n "$snapshot" ] || die 3 "Prometheus at $prometheus_url made no snapshot;" \
    "does it run, with --web.enable-admin-api? $(tail -n 1 "$scratch/curl.err")"
  in_store prometheus ro tar -C "snapshots/$snapshot" -cf - . >"$1" || return
  in_store prometheus rw rm -rf "snapshots/$snapshot" && snapshot=''
}

# Grafana's database is one SQLite file. Paused, it cannot change between two reads.
save_grafana() {
  if [[ ${store[grafana]} == volume:* ]] && container_runs fremisn-grafana; then
    docker pause fremisn-grafana >/dev/null || return
    paused=yes
  fi
  in_store grafana ro tar -cf - . >"$1" || return
  [ -z "$paused" ] || { docker unpause fremisn-grafana >/dev/null && paused=''; }
}

# Every commit of the exporter's state replaces one whole file, so a copy is whole at any time; that it was replaced
# meanwhile (tar's exit code 1) is not an error.
save_exporter() { in_store exporter ro tar -cf - . >"$1" || [ $? = 1 ]; }

save_config() {
  local path paths=() ours=(docker-compose.yml docker-compose.override.yml probes.yml nginx prometheus grafana .env)
  for path in "${ours[@]/#/compose/}" alerts; do
    [ ! -e "$root_dir/$path" ] || paths+=("$path")
  done
  tar -C "$root_dir" -cf "$1" "${paths[@]}"
}

# part FILE NAME prints one of the archives in the archive.
part() { tar -xzOf "$1" --occurrence=1 "./$2"; }

verify() {
  local block piece
  [ -r "$1" ] || die 2 "cannot read $1"
  { part "$1" SHA256SUMS >"$scratch/sums" 2>/dev/null && [ -s "$scratch/sums" ]; } ||
    die 1 "$1 is not a complete backup of this stack"
  # shellcheck disable=SC2016 # tar's shell fills them in
  tar -xzf "$1" --exclude ./SHA256SUMS \
    --to-command='printf "%s  %s\n" "$(sha256sum | cut -c 1-64)" "$TAR_FILENAME"' >"$scratch/found" 2>/dev/null ||
    die 1 "$1 is damaged"
  cmp -s <(sort "$scratch/sums") <(sort "$scratch/found") ||
    die 1 "$1 is damaged: its parts are not what SHA256SUMS says"
  grep -q '  \./prometheus\.tar$' "$scratch/sums" || return 0
  part "$1" prometheus.tar | tar -t >"$scratch/list"
  while read -r block; do
    for piece in meta.json index chunks/000001; do
      grep -qx "./$block/$piece" "$scratch/list" || die 1 "$1: $piece is missing in Prometheus' block $block"
    done
  done < <(sed -n 's,^\./\([0-9A-Z]\{26\}\)/$,\1,p' "$scratch/list")
  grep -q '/meta\.json$' "$scratch/list" || die 1 "$1: it has no block of Prometheus"
}

archives() { [ ! -d "$dir" ] || find "$dir" -maxdepth 1 -name 'fremisn-backup-*.tar.gz' | sort; }

make_backup() {
  local name file old
  file=$dir/fremisn-backup-$(date -u +%Y%m%dT%H%M%S.%3NZ).tar.gz
  if [ -n "$dry_run" ]; then
    for name in "${services[@]}"; do say "would save $name from ${store[$name]:-nowhere: left out}"; done
    say "would save the configs, write $file, verify it, and keep the newest $keep"
    return
  fi
  ! uses_volumes || need docker
  { mkdir -p "$dir" && unfinished=$(mktemp -d "$dir/.unfinished.XXXXXX"); } 2>/dev/null ||
    die 2 "cannot write to $dir; --dir or BACKUP_DIR names another place"
  for name in "${services[@]}" config; do
    [ "$name" = config ] || [ -n "${store[$name]}" ] || continue
    "save_$name" "$unfinished/$name.tar" || die 1 "$name could not be saved to $dir"
  done
  (cd "$unfinished" && sha256sum ./*.tar >SHA256SUMS && tar -czf backup.tar.gz ./SHA256SUMS ./*.tar) ||
    die 1 "the archive could not be written to $dir"
  verify "$unfinished/backup.tar.gz"
  mv "$unfinished/backup.tar.gz" "$file"
  archives | head -n "-$keep" | while read -r old; do
    rm -f "$old"
    say "removed $old (more than $keep)"
  done
  say "$file ($(du -h "$file" | cut -f 1)), verified"
}

# replace FILE NAME puts what the backup has in place of what a store holds. It unpacks all of it first, so that a full
# disk loses nothing.
replace() {
  # shellcheck disable=SC2016 # for the shell in there
  part "$1" "$2.tar" | in_store "$2" rw sh -c '
    new=.restoring
    trap "rm -rf $new" EXIT
    rm -rf $new && mkdir $new && tar -C $new --numeric-owner -xpf - || exit 1
    find . -mindepth 1 -maxdepth 1 ! -name $new -exec rm -rf {} + &&
      find $new -mindepth 1 -maxdepth 1 -exec mv {} . \; || exit 1
    [ "$(id -u)" != 0 ] || chown "$(stat -c %u:%g $new)" .
    chmod "$(stat -c %a $new)" .'
}

restore() {
  local name names=()
  verify "$1"
  for name in "${services[@]}"; do
    if grep -q "  \./$name\.tar\$" "$scratch/sums" && [ -n "${store[$name]}" ]; then
      names+=("$name")
      if [ -z "$yes" ] || [ -n "$dry_run" ]; then say "$name: would be replaced in ${store[$name]}"; fi
    fi
  done
  [ -z "$dry_run" ] || return 0
  [ -n "$yes" ] || die 2 'nothing was changed; --yes replaces the data above'
  if uses_volumes; then
    need docker
    need_compose
    stopped=yes
    compose stop prometheus grafana fremisn-exporter
  fi
  for name in "${names[@]}"; do
    replace "$1" "$name" || die 1 "$name could not be restored to ${store[$name]}; what was there is kept"
    say "$name: replaced in ${store[$name]}"
  done
  [ -z "$with_config" ] || part "$1" config.tar | tar -C "$root_dir" -xpf -
  [ -z "$stopped" ] || { compose up -d && stopped=''; }
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

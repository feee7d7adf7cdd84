#!/usr/bin/env bash
# setup.sh: what must be there before the first deploy.sh: tools, .env, the network
# nf-visionaire, free ports. Runs as often as you like.
#
#   --generate-password  put a random Grafana password into .env, if there is none yet,
#                        and show it
#   --dry-run            say what would be done and what is missing, change nothing
# Exit codes: 0 ready; 1 a port is taken; 2 wrong use, or a tool or setting is missing;
# 3 Docker does not answer. --dry-run names what is missing, and exits only with 0 or 1.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

generate='' dry_run=''
while [ $# -gt 0 ]; do
  case $1 in
    --generate-password) generate=yes ;;
    --dry-run) dry_run=yes ;;
    -h | --help) usage && exit 0 ;;
    *) wrong_use "unknown option $1" ;;
  esac
  shift
done

# lacks CODE MESSAGE ends the script, or is remembered by a dry run: it names all that is missing.
missing=() docker=yes
lacks() {
  [ -n "$dry_run" ] || die "$@"
  missing+=("$2")
}

need curl awk
[ -n "$dry_run" ] || need docker
need_compose
if ! command -v docker >/dev/null 2>&1; then
  docker=''
  lacks 2 'docker is not installed'
elif ! docker info >/dev/null 2>&1; then
  docker=''
  lacks 3 'the Docker daemon does not answer: is it running, and may you use it (group docker)?'
fi

env_file=${ENV_FILE:-$compose_dir/.env}
if [ ! -e "$env_file" ]; then
  [ -n "$dry_run" ] || say "making $env_file from .env.example"
  step install -m 600 "$compose_dir/.env.example" "$env_file"
fi
load_env
if [ -z "${GRAFANA_ADMIN_PASSWORD:-}" ]; then
  if [ -n "$generate" ] && [ -n "$dry_run" ]; then
    say "would put a random GRAFANA_ADMIN_PASSWORD into $env_file"
    export GRAFANA_ADMIN_PASSWORD=unset
  elif [ -n "$generate" ]; then
    password=$(od -An -N 18 -tx1 /dev/urandom | tr -d ' \n')
    if grep -q '^GRAFANA_ADMIN_PASSWORD=' "$env_file"; then
      sed "s/^GRAFANA_ADMIN_PASSWORD=.*/GRAFANA_ADMIN_PASSWORD=$password/" "$env_file" >"$scratch/env"
      cat "$scratch/env" >"$env_file"
    else
      printf 'GRAFANA_ADMIN_PASSWORD=%s\n' "$password" >>"$env_file"
    fi
    export GRAFANA_ADMIN_PASSWORD=$password
    say "Grafana's password for ${GRAFANA_ADMIN_USER:-admin}: $password"
  else
    lacks 2 "GRAFANA_ADMIN_PASSWORD is not set: set it in $env_file, or let --generate-password do it"
    export GRAFANA_ADMIN_PASSWORD=unset
  fi
fi

compose config -q || die 2 'docker-compose.yml and .env do not fit together'
if [ -z "$docker" ]; then
  say 'network nf-visionaire: not known without Docker'
elif ! docker network inspect nf-visionaire >/dev/null 2>&1; then
  [ -n "$dry_run" ] || say 'making the network nf-visionaire'
  step docker network create --driver bridge nf-visionaire
fi

# port_is_free NAME DEFAULT CONTAINER complains when something else than our own container listens there.
taken=''
port_is_free() {
  local port=${!1:-$2}
  [ "$(docker inspect -f '{{.State.Running}}' "$3" 2>/dev/null)" != true ] || return 0
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    warn "port $port is taken by another program; stop it, or set $1 in $env_file"
    taken=yes
  fi
}
port_is_free LB_PORT 8081 fremisn-loadbalancer
port_is_free STATUS_PORT 8080 fremisn-loadbalancer
port_is_free EXPORTER_PORT 9113 fremisn-exporter
port_is_free EXPORTER_PROBE_PORT 9115 fremisn-exporter
port_is_free PROMETHEUS_PORT 9090 fremisn-prometheus
port_is_free GRAFANA_PORT 3000 fremisn-grafana
[ -z "$alertmanager_url" ] || port_is_free ALERTMANAGER_PORT 9093 fremisn-alertmanager
[ -z "$taken" ] || exit 1
if [ ${#missing[@]} -gt 0 ]; then
  say 'not ready (dry run: nothing was changed):'
  printf '  %s\n' "${missing[@]}"
  exit 0
fi
say "${dry_run:+dry run, nothing was changed: setup.sh would make it }ready; next: scripts/deploy.sh"

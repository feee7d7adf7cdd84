#!/usr/bin/env bash
# deploy.sh: brings the stack to what the files say, and waits until all of it is
# healthy. For the first time and for upgrades.
#
#   --pull       fetch the images again first
#   --no-build   use the exporter's image as it is
#   --timeout N  seconds to wait for healthy containers (180)
#   --dry-run    check the files and say what would be done, change nothing
# Exit codes: 0 all healthy; 1 something is not (its last log lines are shown); 2 wrong
# use, or a file, a setting or a tool is wrong or missing, and nothing was changed.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

pull='' build=yes timeout=180 dry_run=''
while [ $# -gt 0 ]; do
  case $1 in
    --pull) pull=yes ;;
    --no-build) build='' ;;
    --timeout)
      need_value "$@"
      timeout=$2
      shift
      ;;
    --dry-run) dry_run=yes ;;
    -h | --help) usage && exit 0 ;;
    *) wrong_use "unknown option $1" ;;
  esac
  shift
done
need_number --timeout "$timeout"
load_env
need curl awk
[ -n "$dry_run" ] || need docker
need_compose

env_file=${ENV_FILE:-$compose_dir/.env}
if [ ! -e "$env_file" ]; then
  [ -n "${GRAFANA_ADMIN_PASSWORD:-}" ] ||
    die 2 "$env_file is missing: create it with scripts/setup.sh, or set GRAFANA_ADMIN_PASSWORD in the environment"
  warn "$env_file is missing (scripts/setup.sh creates it): using defaults and the environment"
fi
compose config -q || die 2 "docker-compose.yml and $env_file do not fit together; what Compose says is above"
[ -z "$pull" ] || step compose pull --ignore-pull-failures
if [ -n "$build" ]; then
  # Empty, it is what the file VERSION says.
  EXPORTER_VERSION=${EXPORTER_VERSION:-$("$compose_dir/package/version.sh" 2>/dev/null || true)}
  export EXPORTER_VERSION
  step compose build fremisn-exporter || die 1 'the image could not be built; nothing that runs was touched'
fi
# NGINX and Prometheus check their files before anything that runs is touched: a fault must not take the service down.
step compose run --rm --no-deps -T nginx-lb nginx -t || die 2 'nginx/nginx.conf is not valid; nothing was changed'
step compose run --rm --no-deps -T --entrypoint promtool prometheus \
  check config /etc/fremisn/compose/prometheus/prometheus.yml ||
  die 2 'prometheus/prometheus.yml or a rule of alerts/ is not valid; nothing was changed'
step compose up -d --remove-orphans ||
  die 1 'the stack did not come up; what Docker says is above. setup.sh looks for ports that are taken'

# Compose does not replace a container when a file mounted into it changes: what started before is started again.
changed_since_start() { # CONTAINER FILE...
  local container=$1 started file
  shift
  # A container such as Alertmanager's may not be part of this stack.
  started=$(docker inspect -f '{{.State.StartedAt}}' "$container" 2>/dev/null) || return 1
  started=$(date -d "$started" +%s)
  for file in "$@"; do
    [ "$(stat -c %Y "$file")" -le "$started" ] || return 0
  done
  return 1
}
restart_if_changed() { # SERVICE CONTAINER FILE...
  local service=$1
  shift
  if changed_since_start "$@"; then
    say "$service: its files have changed, starting it again"
    compose restart "$service"
  fi
}
# NGINX reloads without losing a request, if the container sees the new file. If git or an editor has replaced the file
# instead of writing into it, the container keeps the old one until a restart, which finishes the requests under way
# and takes no new ones meanwhile.
reload_nginx_if_changed() {
  local container=fremisn-loadbalancer conf=$compose_dir/nginx/nginx.conf
  changed_since_start "$container" "$conf" || return 0
  if docker exec "$container" cat /etc/nginx/nginx.conf | cmp -s - "$conf"; then
    say 'nginx-lb: nginx.conf has changed, reloading it'
    docker kill -s HUP "$container" >/dev/null
  else
    restart_if_changed nginx-lb "$container" "$conf"
  fi
}
if [ -z "$dry_run" ]; then
  restart_if_changed nginx-lb fremisn-loadbalancer "$compose_dir/nginx/start.sh"
  reload_nginx_if_changed
  restart_if_changed fremisn-exporter fremisn-exporter "$compose_dir"/probes.yml "$compose_dir"/nginx/nginx.conf
  restart_if_changed prometheus fremisn-prometheus "$compose_dir"/prometheus/*.yml "$root_dir"/alerts/*.yml
  restart_if_changed alertmanager fremisn-alertmanager "$root_dir/alerts/alertmanager.yml"
  restart_if_changed grafana fremisn-grafana "$compose_dir"/grafana/provisioning/*/*
fi

# waiting prints the containers that run without being healthy yet, or do not run.
waiting() {
  local id health='{{if .State.Health}}{{.State.Health.Status}}{{else}}healthy{{end}}'
  for id in $(compose ps -aq); do
    docker inspect -f "{{.Name}} {{.State.Status}} $health" "$id" | grep -v ' running healthy$' || true
  done
}
[ -z "$dry_run" ] || { say 'dry run: nothing was changed'; exit 0; }
until=$((SECONDS + timeout))
while [ -n "$(waiting)" ]; do
  if [ "$SECONDS" -ge "$until" ]; then
    warn "not healthy after $timeout s:"
    waiting >&2
    for name in $(waiting | cut -d ' ' -f 1); do docker logs --tail 20 "${name#/}" >&2 || true; done
    exit 1
  fi
  attended sleep 1
done
say 'all containers are healthy'
# The nodes may be down for reasons of their own; that is worth a word, and no reason to call this deployment failed.
"$compose_dir/scripts/health-check.sh" || warn 'the stack runs; what health-check.sh found is above'

#!/usr/bin/env bash
# health-check.sh: one verdict on one line, fit for cron and for Nagios.
#
#   OK        0   everything answers, every node is up
#   WARNING   1   the service works, but not all of it: a node is down, a probe or
#                 a collector fails, Prometheus, Grafana or Alertmanager is silent
#   CRITICAL  2   the load balancer or the exporter does not answer, no node is up
#             3   wrong use, or a tool is missing (UNKNOWN to Nagios)
#   --quiet    say nothing when all is well: cron mails only what is printed
#   --verbose  every single check, too
set -euo pipefail
misuse=3
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

quiet='' verbose=''
while [ $# -gt 0 ]; do
  case $1 in
    --quiet) quiet=yes ;;
    --verbose) verbose=yes ;;
    -h | --help) usage && exit 0 ;;
    *) wrong_use "unknown option $1" ;;
  esac
  shift
done
load_env
need awk curl
export GET_TIMEOUT=${GET_TIMEOUT:-5}

critical=() warning=()
note() { [ -z "$verbose" ] || say "$*"; }

# answers KIND WHAT URL adds to the critical or warning findings when a URL does not answer 200.
answers() {
  local code
  code=$(status_of "$3")
  note "$2: $code from $3"
  [ "$code" = 200 ] && return
  if [ "$1" = critical ]; then critical+=("$2 does not answer ($code)"); else warning+=("$2 does not answer ($code)"); fi
}

answers critical 'load balancer' "$lb_url${HEALTH_PATH:-/health}"
answers critical exporter "$exporter_url/-/healthy"
[ -z "$prometheus_url" ] || answers warning Prometheus "$prometheus_url/-/healthy"
[ -z "$grafana_url" ] || answers warning Grafana "$grafana_url/api/health"
[ -z "$alertmanager_url" ] || answers warning Alertmanager "$alertmanager_url/-/healthy"

up=0 all=0 down=()
if get "$exporter_url/metrics" >"$scratch/now" 2>/dev/null; then
  [ "$(sum "$scratch/now" nginx_up)" != 0 ] || critical+=('the status page of NGINX does not answer')
  while read -r collector; do
    warning+=("the exporter's $collector collector fails")
  done < <(sed -n 's/^fremisn_exporter_collector_success{.*collector="\([^"]*\)".*} 0$/\1/p' "$scratch/now")
  while read -r name address; do
    all=$((all + 1))
    state=$(probe_state "$scratch/now" "$address")
    note "node $name ($address): $state"
    if [ "$state" = up ]; then
      up=$((up + 1))
      for probe in $(failing_probes "$scratch/now" "$address"); do warning+=("probe $probe of $name ($address) fails"); done
    elif [ "$state" = - ]; then
      warning+=("$name ($address) has not been probed")
    else
      down+=("$name ($address) is down")
    fi
  done < <(nodes "$scratch/now")
  if [ "${#down[@]}" -gt 0 ] && [ "${#down[@]}" = "$all" ]; then critical+=('no node is up'); else warning+=("${down[@]}"); fi
  [ "$all" -gt 0 ] || warning+=('the exporter knows no node')
elif [[ ${critical[*]-} != *exporter* ]]; then
  critical+=('the exporter gives no metrics')
fi

verdict() { # WORD CODE FINDINGS...
  local word=$1 code=$2 text
  shift 2
  text=$(printf '; %s' "$@")
  say "$word: ${text:2}"
  exit "$code"
}
if [ ${#critical[@]} -gt 0 ]; then verdict CRITICAL 2 "${critical[@]}" "${warning[@]}"; fi
if [ ${#warning[@]} -gt 0 ]; then verdict WARNING 1 "${warning[@]}"; fi
[ -n "$quiet" ] || verdict OK 0 "load balancer and exporter answer, $up of $all nodes up"

#!/usr/bin/env bash
# monitoring.sh: the verdict, its reasons and the nodes in a terminal, until Ctrl-C.
#
# busy is the mean number of a node's slots in use (seconds of service in each second),
# of max_conns.
#   --interval N  seconds between two looks (5)
#   --once        one look (it takes one interval), then exit by the verdict
# Exit codes, as those of health-check.sh:
#   fine      0
#   degraded  1   it works, but not as it should
#   down      2
#   unknown   3   nothing is known yet, or the exporter does not answer
#            64   wrong use, or a tool is missing
set -euo pipefail
misuse=64
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

interval=5 once=''
while [ $# -gt 0 ]; do
  case $1 in
    --interval)
      need_value "$@"
      interval=$2
      shift
      ;;
    --once) once=yes ;;
    -h | --help) usage && exit 0 ;;
    *) wrong_use "unknown option $1" ;;
  esac
  shift
done
need_number --interval "$interval"
load_env
need awk curl

per_second() { awk -v n="$1" -v t="$interval" 'BEGIN { printf "%.1f", n / t }'; }

show() { # BEFORE AFTER
  local before=$1 after=$2 name address server busy slots nginx connections malformed
  printf '%s   %s\n' "$(date -u '+%Y-%m-%d %H:%M:%S UTC')" "$exporter_url"
  { verdict_line "$scratch/status" && status_reasons "$scratch/status"; } | fold -s -w 79
  printf '\n%-9s %-21s %-10s %7s %7s %8s %9s\n' node address state 'req/s' 'err/s' mean busy
  while read -r name address; do
    server="server=$(regexp "$address")"
    busy=$(awk -v a="$(sum "$before" nginx_upstream_response_duration_seconds_sum "$server")" \
      -v b="$(sum "$after" nginx_upstream_response_duration_seconds_sum "$server")" \
      -v t="$interval" 'BEGIN { printf "%.2f", (b - a) / t }')
    slots=$(sum "$after" nginx_upstream_server_max_conns "$server")
    printf '%-9s %-21s %-10s %7s %7s %8s %9s\n' "$name" "$address" "$(node_state "$scratch/status" "$address")" \
      "$(per_second "$(moved "$before" "$after" nginx_upstream_attempts_total "$server")")" \
      "$(per_second "$(moved "$before" "$after" nginx_upstream_attempts_total "$server" 'outcome=error|timeout')")" \
      "$(mean "$before" "$after" nginx_upstream_response_duration_seconds "$server")" "$busy/$slots"
  done < <(nodes "$after")
  local outcomes=(ok client_error error timeout no_live limited aborted) rates=() outcome
  for outcome in "${outcomes[@]}"; do
    rates+=("$(per_second "$(moved "$before" "$after" nginx_access_requests_total "outcome=$outcome")")")
  done
  say
  printf '%-10s %8s %13s %8s %8s %8s %8s %8s\n' outcome "${outcomes[@]}" requests/s "${rates[@]}"
  nginx=$([ "$(sum "$after" nginx_up)" = 1 ] && echo up || echo DOWN)
  connections=$(sum "$after" nginx_connections_active)
  malformed=$(moved "$before" "$after" fremisn_exporter_log_lines_total 'result=malformed|too_long')
  printf '\nNGINX %s, %s connections, %s log lines not understood\n' "$nginx" "$connections" "$malformed"
}

metrics "$scratch/before"
while :; do
  attended sleep "$interval"
  metrics "$scratch/after"
  why=$(save_status "$scratch/status") || die 3 "$why"
  if [ -z "$once" ] && [ -t 1 ]; then printf '\033[H\033[2J'; fi
  show "$scratch/before" "$scratch/after"
  [ -z "$once" ] || exit "$(verdict_code "$scratch/status")"
  mv "$scratch/after" "$scratch/before"
done

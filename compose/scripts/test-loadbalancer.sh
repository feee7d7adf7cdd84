#!/usr/bin/env bash
# test-loadbalancer.sh: is the load balanced? Sends requests slowly and asks the exporter
# which node served how many.
#
#   --requests N   how many (30)
#   --path PATH    of what (/v1/healthcheck)
#   --pause SEC    between two, to stay below the rate limit (0.15)
#   --url URL  --exporter URL
# A request without an answer within GET_TIMEOUT (10) seconds has failed: the nodes hang.
# After three of them it stops.
# Exit codes: 0 every request was answered, and every node that is up served some; 1 not
# so; 2 wrong use or a missing tool; 3 load balancer or exporter do not answer.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

load_env
requests=30 path=/v1/healthcheck pause=0.15
while [ $# -gt 0 ]; do
  case $1 in
    --requests | --path | --pause | --url | --exporter)
      need_value "$@"
      case $1 in
        --requests) requests=$2 ;;
        --path) path=$2 ;;
        --pause) pause=$2 ;;
        --url) lb_url=${2%/} ;;
        --exporter) exporter_url=${2%/} ;;
      esac
      shift 2
      ;;
    -h | --help) usage && exit 0 ;;
    *) wrong_use "unknown option $1" ;;
  esac
done
need_number --requests "$requests"
need awk curl

metrics "$scratch/before"
answered=0 failed=0 silent=0 sent=0 wait_seconds=${GET_TIMEOUT:-10}
ask() { # prints the status and the seconds that connecting took
  curl -s -o /dev/null --max-time "$wait_seconds" -w '%{http_code} %{time_connect}\n' "$lb_url$path" || true
}
while [ "$sent" -lt "$requests" ] && [ "$silent" -lt 3 ]; do
  read -r code connected < <(ask)
  sent=$((sent + 1))
  case $code:$connected in
    000:0.000000 | 000:0) die 3 "the load balancer at $lb_url does not answer" ;;
    000:*) silent=$((silent + 1)) ;;
    5??:*) failed=$((failed + 1)) ;;
    *) answered=$((answered + 1)) ;;
  esac
  sleep "$pause"
done
settle "$scratch/before" "$scratch/after" "$sent"
# A connection is not an answer: a stopped NGINX accepts one, too. The status page shows the difference.
[ "$answered" -gt 0 ] || [ "$failed" -gt 0 ] || [ "$(sum "$scratch/after" nginx_up)" != 0 ] ||
  die 3 "the load balancer at $lb_url does not answer, nor does its status page"

say "client: $sent requests to $lb_url$path, $answered answered, $failed failed (5xx), $silent without an answer"
say "exporter: $(moved "$scratch/before" "$scratch/after" nginx_access_requests_total) requests"
say
per_node "$scratch/before" "$scratch/after"

idle=() hanging=()
while read -r name address; do
  server="server=$(regexp "$address")"
  attempts=$(moved "$scratch/before" "$scratch/after" nginx_upstream_attempts_total "$server")
  # An attempt that the client or NGINX gave up.
  silent_attempts=$(moved "$scratch/before" "$scratch/after" nginx_upstream_attempts_total "$server" \
    'outcome=aborted|timeout')
  [ "$silent_attempts" = 0 ] || hanging+=("$name ($address)")
  if [ "$attempts" = 0 ] && [[ $(probe_state "$scratch/after" "$address") != down* ]]; then
    idle+=("$name ($address)")
  fi
done < <(nodes "$scratch/after")
say
[ "$silent" = 0 ] ||
  die 1 "$silent of $sent requests had no answer within $wait_seconds s: NGINX takes them, but" \
    "these nodes hang: ${hanging[*]:-none that the log names}"
[ "$failed" = 0 ] || die 1 "$failed of $requests requests failed"
[ "$node_attempts" -gt 0 ] ||
  die 1 "no node was asked: does $path go to the nodes, and does the exporter know nginx.conf?"
[ ${#idle[@]} -eq 0 ] || die 1 "up, but served nothing: ${idle[*]}"
say "balanced: every node that is up served requests"

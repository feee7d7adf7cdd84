#!/usr/bin/env bash
# test-loadbalancer.sh: is the load balanced? Sends requests slowly and asks the exporter
# which node served how many.
#
# 0 if every request was answered, and every node that is up served some; 1 if not.
#   --requests N   how many (30)
#   --path PATH    of what (/v1/healthcheck)
#   --pause SEC    between two, to stay below the rate limit (0.15)
#   --url URL  --exporter URL
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
answered=0 failed=0
for _ in $(seq "$requests"); do
  code=$(status_of "$lb_url$path")
  case $code in
    000) die 3 "the load balancer at $lb_url does not answer" ;;
    5??) failed=$((failed + 1)) ;;
    *) answered=$((answered + 1)) ;;
  esac
  sleep "$pause"
done
settle "$scratch/before" "$scratch/after" "$requests"

say "client: $requests requests to $lb_url$path, $answered answered, $failed failed (5xx)"
say "exporter: $(moved "$scratch/before" "$scratch/after" nginx_access_requests_total) requests"
say
per_node "$scratch/before" "$scratch/after"

idle=()
while read -r name address; do
  attempts=$(moved "$scratch/before" "$scratch/after" nginx_upstream_attempts_total "server=$(regexp "$address")")
  if [ "$attempts" = 0 ] && [[ $(probe_state "$scratch/after" "$address") != down* ]]; then idle+=("$name ($address)"); fi
done < <(nodes "$scratch/after")
say
[ "$failed" = 0 ] || die 1 "$failed of $requests requests failed"
[ "$node_attempts" -gt 0 ] || die 1 "no node was asked: does $path go to the nodes, and does the exporter know nginx.conf?"
[ ${#idle[@]} -eq 0 ] || die 1 "up, but served nothing: ${idle[*]}"
say "balanced: every node that is up served requests"

#!/usr/bin/env bash
# health-check.sh: the exporter's verdict on one line, fit for cron and Nagios.
#
# Exit codes:
#   fine      0
#   degraded  1   it works, but not as it should: a node is down, slow or failing
#   down      2   NGINX does not answer, no node is usable, or half of the requests fail
#   unknown   3   nothing is known yet, or the exporter does not answer
#            64   wrong use, or a tool is missing
#   --quiet    say nothing while all is fine: cron mails only what is printed
#   --verbose  a line for each reason, with since when it holds
# It judges nothing itself: the page of the exporter (EXPORTER_URL) shows the same.
set -euo pipefail
misuse=64
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

if ! why=$(save_status "$scratch/status"); then
  say "unknown: $why"
  exit 3
fi
verdict=$(status_field verdict "$scratch/status")
if [ -z "$quiet" ] || [ "$verdict" != fine ]; then verdict_line "$scratch/status"; fi
[ -z "$verbose" ] || status_reasons "$scratch/status"
exit "$(verdict_code "$scratch/status")"

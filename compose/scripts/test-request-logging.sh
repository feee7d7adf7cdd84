#!/usr/bin/env bash
# test-request-logging.sh: is every request logged, and every line understood? Sends a
# few of several kinds and compares what came back with what the exporter read from the
# log, by status.
#
# 0 if each one was counted once, with its status; 1 if not.
#   --log FILE   look for the requests in this file, too (read access needed)
#   --others     other clients use the load balancer meanwhile: there may be more
#   --url URL  --exporter URL
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

load_env
log='' others=''
while [ $# -gt 0 ]; do
  case $1 in
    --log | --url | --exporter)
      need_value "$@"
      case $1 in
        --log) log=$2 ;;
        --url) lb_url=${2%/} ;;
        --exporter) exporter_url=${2%/} ;;
      esac
      shift 2
      ;;
    --others) others=yes && shift ;;
    -h | --help) usage && exit 0 ;;
    *) wrong_use "unknown option $1" ;;
  esac
done
need awk curl
[ -z "$log" ] || [ -r "$log" ] || die 2 "cannot read $log"

marker=logging-test-$$-$(date +%s)
metrics "$scratch/before"
: >"$scratch/codes"
send() {
  local code
  code=$(status_of "$@")
  [ "$code" != 000 ] || die 3 "the load balancer at $lb_url does not answer"
  echo "$code" >>"$scratch/codes"
}
send "$lb_url/health?$marker"
send "$lb_url/v1/healthcheck?$marker"
send -I "$lb_url/v1/healthcheck?$marker"
send -A "quotes \" and \\ backslashes" "$lb_url/v1/healthcheck?$marker"
send -X PROPFIND "$lb_url/health?$marker"
send "$lb_url/no/such/%22page%22?$marker"
sent=$(wc -l <"$scratch/codes")
settle "$scratch/before" "$scratch/after" "$sent"

bad=0
compare() { # WHAT WANTED GOT
  local verdict=same
  if [ "$3" -lt "$2" ] || { [ -z "$others" ] && [ "$3" != "$2" ]; }; then verdict=DIFFERENT bad=1; fi
  printf '%-28s %8s %9s   %s\n' "$1" "$2" "$3" "$verdict"
}
printf '%-28s %8s %9s\n' '' client exporter
compare requests "$sent" "$(moved "$scratch/before" "$scratch/after" nginx_access_requests_total)"
while read -r count code; do
  compare "  with status $code" "$count" "$(moved "$scratch/before" "$scratch/after" nginx_access_requests_total "code=$code")"
done < <(sort "$scratch/codes" | uniq -c)
malformed=$(moved "$scratch/before" "$scratch/after" fremisn_exporter_log_lines_total 'result=malformed|too_long')
printf '%-28s %8s %9s\n' 'lines not understood' '' "$malformed"
[ -z "$log" ] || compare "lines in ${log##*/}" "$sent" "$(grep -c -- "$marker" "$log" || true)"
say
[ "$malformed" = 0 ] || die 1 "the exporter does not understand $malformed lines: fremisn-exporter check tells why"
[ "$bad" = 0 ] || die 1 'client and exporter disagree. Other clients at the same time? --others allows for them'
say 'every request was logged and understood'

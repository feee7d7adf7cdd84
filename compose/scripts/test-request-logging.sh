#!/usr/bin/env bash
# test-request-logging.sh: is every request logged, and every line understood? Sends a
# few of several kinds and compares what came back with what the exporter read from the
# log, by status.
#
#   --log FILE   look for the requests in this file, too (read access needed)
#   --others     other clients use the load balancer meanwhile: there may be more
#   --path PATH  request only this path: where access_log is off for /health or
#                /v1/healthcheck
#   --url URL  --exporter URL
# Exit codes: 0 each request was counted once, with its status; 1 not so; 2 wrong use or
# a missing tool; 3 load balancer or exporter do not answer.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

load_env
log='' others='' paths=(/health /v1/healthcheck)
while [ $# -gt 0 ]; do
  case $1 in
    --log | --path | --url | --exporter)
      need_value "$@"
      case $1 in
        --log) log=$2 ;;
        --path) paths=("$2" "$2") ;;
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
send "$lb_url${paths[0]}?$marker"
send "$lb_url${paths[1]}?$marker"
send -I "$lb_url${paths[1]}?$marker"
send -A "quotes \" and \\ backslashes" "$lb_url${paths[1]}?$marker"
send -X PROPFIND "$lb_url${paths[0]}?$marker"
send "$lb_url${paths[1]%/}/no/such/%22page%22?$marker"
sent=$(wc -l <"$scratch/codes")

# settle_or_last waits until all are counted. The log keeps the order: once the last request is counted, by a status
# that no other has, those before it that are still missing will not come.
settle_or_last() {
  local last until=$((SECONDS + ${SETTLE_SECONDS:-15}))
  last=$(tail -n 1 "$scratch/codes")
  [ "$(grep -c -x "$last" "$scratch/codes")" = 1 ] || last=none
  while :; do
    metrics "$scratch/after"
    [ "$(moved "$scratch/before" "$scratch/after" nginx_access_requests_total)" -lt "$sent" ] || return 0
    [ "$(moved "$scratch/before" "$scratch/after" nginx_access_requests_total "code=$last")" -lt 1 ] || break
    [ "$SECONDS" -lt "$until" ] || return 0
    sleep 0.2
  done
  sleep 0.5 # several workers write nearly in order
  metrics "$scratch/after"
}
settle_or_last

bad=0
compare() { # WHAT WANTED GOT
  local verdict=same
  if [ "$3" -lt "$2" ] || { [ -z "$others" ] && [ "$3" != "$2" ]; }; then verdict=DIFFERENT bad=1; fi
  printf '%-28s %8s %9s   %s\n' "$1" "$2" "$3" "$verdict"
}
printf '%-28s %8s %9s\n' '' client exporter
compare requests "$sent" "$(moved "$scratch/before" "$scratch/after" nginx_access_requests_total)"
while read -r count code; do
  counted=$(moved "$scratch/before" "$scratch/after" nginx_access_requests_total "code=$code")
  compare "  with status $code" "$count" "$counted"
done < <(sort "$scratch/codes" | uniq -c)
malformed=$(moved "$scratch/before" "$scratch/after" fremisn_exporter_log_lines_total 'result=malformed|too_long')
printf '%-28s %8s %9s\n' 'lines not understood' '' "$malformed"
[ -z "$log" ] || compare "lines in ${log##*/}" "$sent" "$(grep -c -- "$marker" "$log" || true)"
say
[ "$malformed" = 0 ] || die 1 "the exporter does not understand $malformed lines: fremisn-exporter check shows why"
missing=$((sent - $(moved "$scratch/before" "$scratch/after" nginx_access_requests_total)))
[ "$missing" -le 0 ] ||
  die 1 "$missing of $sent requests are not in the log that the exporter reads." \
    "access_log off for ${paths[0]} or ${paths[1]}? --path names another"
[ "$bad" = 0 ] || die 1 'client and exporter disagree. Other clients at the same time? --others allows for them'
say 'every request was logged and understood'

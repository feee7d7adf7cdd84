# shellcheck shell=bash disable=SC2034 # what is set here is used by the scripts
# What the scripts share: settings from .env, messages, Compose in either form, and questions to the exporter.
# Sourced after `set -euo pipefail`. Exit codes everywhere: 0 good, 1 the thing looked at is not good, 2 wrong use or
# a tool or setting is missing, 3 what must be asked cannot be reached.

export LC_ALL=C # in a locale with decimal commas, awk would print them

compose_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
root_dir=$(dirname "$compose_dir")
scratch=$(mktemp -d) || exit $((${misuse:-0} ? 3 : 2)) # never 1, which may be a verdict
cleanup() { :; } # a script that has more to put right says so here
leave() {
  trap '' INT TERM HUP # once is enough
  local child
  for child in $(jobs -rp); do kill "$child" 2>/dev/null || true; done
  cleanup
  rm -rf "$scratch"
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# attended runs a command that takes its time; a signal ends it and the script at once.
attended() {
  "$@" &
  wait $!
}

say() { printf '%s\n' "$*"; }
warn() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { # CODE MESSAGE
  local code=$1
  shift
  warn "$*"
  exit "$code"
}

# usage prints the comment at the head of the script; --help is nothing else.
usage() { sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$0"; }
wrong_use() { die "${misuse:-2}" "$*; see --help"; }

# need_value OPTION [VALUE] fails for an option at the end of the line.
need_value() { [ $# -ge 2 ] || wrong_use "$1 needs a value"; }
need_number() { # NAME VALUE
  [[ $2 =~ ^[1-9][0-9]*$ ]] || wrong_use "$1 must be a whole number above 0, not \"$2\""
}
need() { # COMMAND...
  local command
  for command in "$@"; do
    command -v "$command" >/dev/null 2>&1 || die "${misuse:-2}" "$command is not installed"
  done
}

# load_env reads KEY=VALUE lines as Compose does; what is in the environment already wins.
load_env() {
  local file=${ENV_FILE:-$compose_dir/.env} line key value
  if [ -f "$file" ]; then
    while IFS= read -r line || [ -n "$line" ]; do
      [[ $line =~ ^[[:space:]]*(export[[:space:]]+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$ ]] || continue
      key=${BASH_REMATCH[2]} value=${BASH_REMATCH[3]%$'\r'}
      case $value in
        \"*\") value=${value#\"} value=${value%\"} ;;
        \'*\') value=${value#\'} value=${value%\'} ;;
        *) value=${value%%[[:space:]]#*} ;;
      esac
      [ -n "${!key+set}" ] || export "$key=$value"
    done <"$file"
  fi
  lb_url=${LB_URL-http://localhost:${LB_PORT:-8081}}
  exporter_url=${EXPORTER_URL-http://localhost:${EXPORTER_PORT:-9113}}
  prometheus_url=${PROMETHEUS_URL-http://localhost:${PROMETHEUS_PORT:-9090}}
  grafana_url=${GRAFANA_URL-http://localhost:${GRAFANA_PORT:-3000}}
  # Only with the profile is there an Alertmanager to ask.
  alertmanager_url=''
  case ,${COMPOSE_PROFILES:-}, in *,alerting,*) alertmanager_url=http://localhost:${ALERTMANAGER_PORT:-9093} ;; esac
  alertmanager_url=${ALERTMANAGER_URL-$alertmanager_url} alertmanager_url=${alertmanager_url%/}
  lb_url=${lb_url%/} exporter_url=${exporter_url%/} prometheus_url=${prometheus_url%/} grafana_url=${grafana_url%/}
}

# compose runs Compose v2 where there is one, else docker-compose 1.29, on the stack's file.
compose() {
  local file=$compose_dir/docker-compose.yml
  if docker compose version >/dev/null 2>&1; then
    docker compose --project-directory "$compose_dir" -f "$file" "$@"
  else
    (cd "$compose_dir" && docker-compose -f "$file" "$@")
  fi
}

need_compose() {
  docker compose version >/dev/null 2>&1 || command -v docker-compose >/dev/null 2>&1 ||
    die 2 'neither "docker compose" nor docker-compose is installed'
}

# step runs a command, or only shows it with dry_run=yes.
step() {
  if [ "${dry_run:-}" = yes ]; then say "would run: $*"; else "$@"; fi
}

get() { curl -fsS --max-time "${GET_TIMEOUT:-10}" "$@"; }
status_of() { curl -s -o /dev/null --max-time "${GET_TIMEOUT:-10}" -w '%{http_code}' "$@" || true; }

# metrics FILE saves what the exporter counts now. A scrape shows every line that was logged before it.
metrics() {
  get "$exporter_url/metrics" >"$1" 2>"$scratch/curl.err" ||
    die 3 "the exporter at $exporter_url does not answer: $(tail -n 1 "$scratch/curl.err")"
}

# What /api/v1/status says, one value a line, as the exporter writes it. FILE holds the answer.

# save_status FILE saves the answer; without a verdict in it, it prints why and fails.
save_status() {
  if ! get "$exporter_url/api/v1/status" >"$1" 2>"$scratch/curl.err"; then
    say "the exporter at $exporter_url does not answer: $(tail -n 1 "$scratch/curl.err")"
    return 1
  fi
  [ -z "$(status_field verdict "$1")" ] || return 0
  say "$exporter_url/api/v1/status has no verdict: does EXPORTER_URL name this exporter?"
  return 1
}

# json_text undoes the escapes of JSON that a sentence may have.
json_text() { sed 's/\\u003c/</g; s/\\u003e/>/g; s/\\u0026/\&/g; s/\\"/"/g; s/\\\\/\\/g'; }

# status_field NAME FILE prints a value of the answer's first level.
status_field() { sed -n 's/^  "'"$1"'": "\(.*\)",\{0,1\}$/\1/p' "$2" | json_text; }

# verdict_line FILE is the verdict, since when, and the sentence.
verdict_line() {
  local since
  since=$(status_field since "$1")
  since=${since:0:19}
  printf '%s since %s UTC: %s\n' "$(status_field verdict "$1")" "${since/T/ }" "$(status_field sentence "$1")"
}

# verdict_code FILE prints the exit code for the verdict.
verdict_code() {
  case $(status_field verdict "$1") in
    fine) echo 0 ;;
    degraded) echo 1 ;;
    down) echo 2 ;;
    *) echo 3 ;;
  esac
}

# status_reasons FILE prints a line for each reason.
status_reasons() {
  awk '
    /^  "reasons": \[$/ { inside = 1 }
    /^  \]/ { inside = 0 }
    inside && match($0, /^      "(kind|severity|sentence|since)": "/) {
      name = $1; gsub(/[":]/, "", name)
      value = substr($0, RLENGTH + 1); sub(/",?$/, "", value)
      field[name] = value
    }
    inside && /^    }/ {
      since = substr(field["since"], 12, 8)
      printf "  %s (%s), since %s UTC: %s\n", field["kind"], field["severity"], since, field["sentence"]
    }
  ' "$1" | json_text
}

# node_state FILE ADDRESS is the state of a node, "-" where it is not known.
node_state() {
  ADDRESS=$2 awk '
    /^  "nodes": \[$/ { inside = 1 }
    /^  \]/ { inside = 0 }
    inside && /^      "server": "/ { server = $2; gsub(/[",]/, "", server) }
    inside && /^      "state": "/ && server == ENVIRON["ADDRESS"] { state = $2; gsub(/[",]/, "", state) }
    END { print state == "" ? "-" : state }' "$1"
}

# sum FILE NAME [LABEL=REGEXP]... adds up the series of a metric whose labels match as a whole; 0 where there is none.
sum() {
  local file=$1 name=$2
  shift 2
  NAME=$name WANT=$(printf '%s\n' "$@") awk '
    BEGIN { name = ENVIRON["NAME"]; n = split(ENVIRON["WANT"], want, "\n") }
    index($0, name "{") == 1 || index($0, name " ") == 1 {
      for (i = 1; i <= n; i++) {
        if (want[i] == "") continue
        cut = index(want[i], "=")
        if ($0 !~ "[{,]" substr(want[i], 1, cut - 1) "=\"(" substr(want[i], cut + 1) ")\"[,}]") next
      }
      total += $NF
    }
    END { printf "%.6f\n", total }' "$file" | sed 's/\.\{0,1\}0*$//'
}

# moved BEFORE AFTER NAME [LABEL=REGEXP]... is how far a counter went.
moved() {
  local before=$1 after=$2
  shift 2
  awk -v a="$(sum "$before" "$@")" -v b="$(sum "$after" "$@")" 'BEGIN { printf "%.0f\n", b - a }'
}

# nodes FILE prints "NAME ADDRESS" of every server of nginx.conf that is not down.
nodes() {
  sed -n 's/^nginx_upstream_server_info{\(.*\)} 1$/\1/p' "$1" | grep -v 'state="down"' |
    sed 's/.*node="\([^"]*\)".*server="\([^"]*\)".*/\1 \2/; s/^ /- /' | sort -u
}

# probe_state FILE ADDRESS prints "up", "down TIMES" or "-" for a node that nothing has probed yet. The probe named
# health decides; without one of that name, all of them do. A failing licence probe alone does not make a node
# down.
probe_state() {
  awk -v at="//$2" '
    function about(metric) { return index($0, metric "{") == 1 && index($0, at) }
    about("probe_success") { n++; if ($NF == 0) bad++; if (/probe="health"/) { health = 1; well = $NF } }
    about("probe_consecutive_failures") { if ($NF > times) times = $NF; if (/probe="health"/) health_times = $NF }
    END {
      if (!n) print "-"
      else if (health) print well ? "up" : "down " health_times
      else print !bad ? "up" : "down " times
    }' "$1"
}

# failing_probes FILE ADDRESS prints the names of the probes of a node that failed last.
failing_probes() {
  awk -v at="//$2" 'index($0, "probe_success{") == 1 && index($0, at) && $NF == 0' "$1" |
    sed 's/.*[{,]probe="\([^"]*\)".*/\1/' | sort -u
}

# regexp quotes what must match literally in sum.
regexp() { printf '%s' "$1" | sed 's/[][\\.*^$+?(){}|]/[&]/g'; }

# per_node BEFORE AFTER prints what each node did in between, and keeps the sums in node_attempts, node_2xx and
# node_retries.
per_node() {
  local before=$1 after=$2 name address server attempts good failed timeouts retries seconds
  local row='%-9s %-21s %8s %7s %6s %7s %7s %8s\n'
  node_attempts=0 node_2xx=0 node_retries=0
  # shellcheck disable=SC2059 # one format for all rows
  printf "$row" node address attempts 2xx errors timeout retried mean
  while read -r name address; do
    server="server=$(regexp "$address")"
    attempts=$(moved "$before" "$after" nginx_upstream_attempts_total "$server")
    good=$(moved "$before" "$after" nginx_upstream_attempts_total "$server" 'code=2[0-9][0-9]')
    failed=$(moved "$before" "$after" nginx_upstream_attempts_total "$server" outcome=error)
    timeouts=$(moved "$before" "$after" nginx_upstream_attempts_total "$server" outcome=timeout)
    retries=$(moved "$before" "$after" nginx_upstream_retries_total "$server")
    seconds=$(mean "$before" "$after" nginx_upstream_response_duration_seconds "$server")
    # shellcheck disable=SC2059
    printf "$row" "$name" "$address" "$attempts" "$good" "$failed" "$timeouts" "$retries" "$seconds"
    node_attempts=$((node_attempts + attempts)) node_2xx=$((node_2xx + good)) node_retries=$((node_retries + retries))
  done < <(nodes "$after")
}

# mean BEFORE AFTER HISTOGRAM [LABEL=REGEXP]... is the mean of what was observed in between, as "0.151s", or "-".
mean() {
  local before=$1 after=$2 name=$3
  shift 3
  awk -v s="$(sum "$before" "${name}_sum" "$@")" -v t="$(sum "$after" "${name}_sum" "$@")" \
    -v c="$(sum "$before" "${name}_count" "$@")" -v d="$(sum "$after" "${name}_count" "$@")" \
    'BEGIN { if (d > c) printf "%.3fs\n", (t - s) / (d - c); else print "-" }'
}

# settle BEFORE AFTER WANTED scrapes into AFTER until so many more requests are counted, or SETTLE_SECONDS (15) are
# over: NGINX logs a request after its last byte is sent, so the client can be a moment ahead.
settle() {
  local before=$1 after=$2 wanted=$3 until=$((SECONDS + ${SETTLE_SECONDS:-15}))
  while :; do
    metrics "$after"
    [ "$(moved "$before" "$after" nginx_access_requests_total)" -lt "$wanted" ] || return 0
    [ "$SECONDS" -lt "$until" ] || return 0
    sleep 0.2
  done
}

# The three stress tests are one test with different numbers: ab sends, the exporter counts, and both must agree. A
# script sets users, per_user, seconds ("" without a limit), path and payload ("" for GET), then calls stress "$@".

stress_options() {
  others='' dry_run='' min_success=95
  while [ $# -gt 0 ]; do
    case $1 in
      --url | --exporter | --path | --users | --requests | --seconds | --min-success)
        need_value "$@"
        case $1 in
          --url) lb_url=${2%/} ;;
          --exporter) exporter_url=${2%/} ;;
          --path) path=$2 ;;
          --users) users=$2 ;;
          --requests) per_user=$2 ;;
          --seconds) seconds=$2 ;;
          --min-success) min_success=$2 ;;
        esac
        shift 2
        ;;
      --others) others=yes && shift ;;
      --dry-run) dry_run=yes && shift ;;
      -h | --help) usage && exit 0 ;;
      *) wrong_use "unknown option $1" ;;
    esac
  done
  need_number --users "$users"
  need_number --requests "$per_user"
  [ -z "$seconds" ] || need_number --seconds "$seconds"
  [[ $min_success =~ ^(100|[0-9]{1,2}(\.[0-9]+)?)$ ]] ||
    wrong_use "--min-success must be a percentage from 0 to 100, not \"$min_success\""
}

# ab_says LABEL prints the number behind a label of ab's report, 0 where the line is missing.
ab_says() {
  awk -v label="$1:" '
    index($0, label) == 1 { n = $0; sub(/^[^:]*: */, "", n); exit }
    END { print n + 0 }' "$scratch/ab.txt"
}

# ab_failed KIND prints one of the kinds in ab's "(Connect: 0, Receive: 0, Length: 0, Exceptions: 0)".
ab_failed() { sed -n "s/^ *(.*$1: \([0-9]*\).*/\1/p" "$scratch/ab.txt" | grep . || echo 0; }

run_ab() {
  local total=$((users * per_user)) ab_args=(-q -l -r -s 90)
  # -n after -t: a limit in seconds would set the number to 50,000.
  [ -z "$seconds" ] || ab_args+=(-t "$seconds")
  ab_args+=(-n "$total" -c "$users")
  if [ -n "$payload" ]; then
    printf '%s' "$payload" >"$scratch/payload.json"
    ab_args+=(-p "$scratch/payload.json" -T application/json)
  fi
  say "ab: $users users, $total requests${seconds:+, at most $seconds s}, ${payload:+POST }$lb_url$path"
  if [ -n "$dry_run" ]; then
    step ab "${ab_args[@]}" "$lb_url$path"
    return
  fi
  attended ab "${ab_args[@]}" "$lb_url$path" >"$scratch/ab.txt" 2>"$scratch/ab.err" ||
    die 3 "ab could not reach $lb_url$path: $(tail -n 1 "$scratch/ab.err")"
}

# line WHAT CLIENT EXPORTER SLACK compares two counts; the exporter may be ahead by SLACK.
line() {
  local verdict=same
  if [ "$3" -lt "$2" ] || [ "$3" -gt $(($2 + $4)) ]; then
    verdict='DIFFERENT' agreed=no
  elif [ "$3" != "$2" ]; then
    verdict="+$(($3 - $2)), allowed"
  fi
  printf '%-22s %12s %12s   %s\n' "$1" "$2" "$3" "$verdict"
}

fact() { printf '%-22s %s\n' "$1" "$2"; }

stress() {
  stress_options "$@"
  need ab awk curl
  local before=$scratch/before after=$scratch/after
  [ -n "$dry_run" ] || metrics "$before"
  run_ab
  [ -z "$dry_run" ] || exit 0

  local sent dead good other
  sent=$(ab_says 'Complete requests')
  dead=$(($(ab_failed Connect) + $(ab_failed Receive) + $(ab_failed Exceptions)))
  other=$(ab_says 'Non-2xx responses')
  good=$((sent - other - dead))
  settle "$before" "$after" "$((sent - dead))"

  local counted counted_2xx counted_other aborted slack=0 agreed=yes
  counted=$(moved "$before" "$after" nginx_access_requests_total)
  counted_2xx=$(moved "$before" "$after" nginx_access_requests_total 'code=2[0-9][0-9]')
  aborted=$(moved "$before" "$after" nginx_access_requests_total outcome=aborted)
  counted_other=$((counted - counted_2xx - aborted))
  # A user who stops at the time limit leaves at most one request behind that NGINX has seen and ab does not count.
  if [ -n "$seconds" ] && [ "$sent" -lt $((users * per_user)) ]; then slack=$users; fi
  slack=$((slack + dead))
  [ -z "$others" ] || slack=$((slack + counted))

  say
  printf '%-22s %12s %12s\n' '' 'client (ab)' exporter
  line 'answered requests' "$((sent - dead))" "$counted" "$slack"
  line 'answered 2xx' "$good" "$counted_2xx" "$slack"
  line 'answered otherwise' "$other" "$counted_other" "$slack"
  say
  per_node "$before" "$after"
  local through=$((node_attempts - node_retries))
  if [ "$node_attempts" -gt 0 ]; then line '2xx of nodes' "$good" "$node_2xx" "$slack"; fi
  say
  fact 'to nodes' "$through requests in $node_attempts attempts"
  fact 'by NGINX itself' "$((counted - through)) requests"
  fact 'speed, refusals too' "$(awk '
    /^Requests per second/ { printf "%.0f requests/s", $4 }
    / (50|95|99)%/ { printf ", p%d %s ms", $1, $2 }' "$scratch/ab.txt")"
  [ "$slack" = 0 ] || fact 'allowed difference' "$slack: cut off by the limit or an error${others:+, or others}"
  say

  if [ "$counted" = 0 ] && [ "$sent" -gt 0 ]; then
    die 1 "no request reached the access log: is access_log off for $path, or is this exporter another load balancer's?"
  fi
  if [ "$agreed" = yes ]; then
    say 'counting: client and exporter agree'
  else
    warn 'counting: client and exporter disagree. Other clients at the same time? --others allows for them'
  fi
  judge_service || agreed=no
  [ "$agreed" = yes ] || exit 1
}

# p95_within BEFORE AFTER prints the bound of the exporter's bucket that holds the 95th percentile of what was served,
# or "-".
p95_within() {
  local file
  for file in "$1" "$2"; do
    printf '# next\n'
    grep -E '^nginx_access_request_duration_seconds_bucket\{.*outcome="(ok|client_error)"' "$file" || true
  done | awk '
    /^# next/ { sign = sign ? 1 : -1; next }
    match($0, /le="[^"]*"/) { count[substr($0, RSTART + 4, RLENGTH - 5)] += sign * $NF }
    END {
      best = ""
      for (le in count)
        if (le != "+Inf" && count[le] >= .95 * count["+Inf"] && (best == "" || le + 0 < best + 0)) best = le
      print count["+Inf"] < 1 ? "-" : best == "" ? "over all buckets" : "within " best " s"
    }'
}

# judge_service says how well the service did, apart from whether it was counted rightly. It reads the variables of
# stress, and fails when less than min_success percent were served.
judge_service() {
  local outcome n ok client_errors served total p95 percent goodput refused='' causes='' cut=0
  ok=$(moved "$before" "$after" nginx_access_requests_total outcome=ok)
  client_errors=$(moved "$before" "$after" nginx_access_requests_total outcome=client_error)
  served=$((ok + client_errors))
  for outcome in limited no_live timeout error aborted; do
    n=$(moved "$before" "$after" nginx_access_requests_total "outcome=$outcome")
    # ab gives up what is under way at its time limit: that is not the service's fault.
    if [ "$outcome" = aborted ] && [ -n "$seconds" ] && [ "$sent" -lt $((users * per_user)) ]; then
      cut=$((n < users ? n : users)) n=$((n - cut))
    fi
    [ "$n" -le 0 ] || causes="${causes:+$causes, }$outcome $n"
  done
  [ "$dead" = 0 ] || causes="${causes:+$causes, }connection failed $dead"
  total=$((counted - cut))
  if [ -z "$others" ] && [ "$total" -lt "$sent" ]; then total=$sent; fi
  p95=$(p95_within "$before" "$after")
  if [ "$served" = "$total" ] && [ -z "$others" ]; then p95="$(awk '$1 == "95%" { print $2 }' "$scratch/ab.txt") ms"; fi
  percent=$(awk -v n="$served" -v of="$total" 'BEGIN { printf "%.1f", of ? int(1000 * n / of) / 10 : 0 }')
  say
  [ "$client_errors" = 0 ] || refused=", $client_errors of them 4xx"
  fact served "$served of $total requests ($percent %)$refused"
  fact 'p95 of the served' "$p95"
  goodput=$(awk -v n="$served" -v t="$(ab_says 'Time taken for tests')" 'BEGIN { printf "%.1f", t ? n / t : 0 }')
  fact goodput "$goodput served requests/s"
  fact 'refused or failed' "${causes:-none}"
  if awk -v p="$percent" -v least="$min_success" 'BEGIN { exit p + 0 >= least + 0 }'; then
    warn "service: only $percent % were served, less than $min_success % (--min-success)"
    return 1
  fi
  say "service: good, $percent % were served"
}

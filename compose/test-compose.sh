#!/usr/bin/env bash
# test-compose.sh: the real stack under a real Docker daemon, from building the image to tearing everything down.
#
# Nothing can be pulled where this runs, so the images are stand-ins made of Debian's packages, under the names and
# versions of the real ones; the exporter's own image is built by its Dockerfile. Daemon, containers and networks live
# in namespaces of their own and end with this script. Needs root and about 10 GB in TMPDIR; takes some minutes.
#   --keep-base DIR   keep the Debian base there, or take it from there
# shellcheck disable=SC2016 # single quotes are for another shell
set -euo pipefail
self=$(realpath "${BASH_SOURCE[0]}")
cd "$(dirname "$self")"
root=$(cd .. && pwd)

say() { printf '\n=== %s\n' "$*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }
is() { # WHAT GOT WANTED
  [ "$2" = "$3" ] || fail "$1: got \"$2\", want \"$3\""
  printf 'ok: %s: %s\n' "$1" "$2"
}
holds() { # WHAT COMMAND...
  local what=$1
  shift
  "$@" >"$work/holds.out" 2>&1 || { cat "$work/holds.out" >&2; fail "$what"; }
  printf 'ok: %s\n' "$what"
}
# within SECONDS WHAT COMMAND... tries again until a command succeeds.
within() {
  local until=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >"$work/within.out" 2>&1; do
    [ "$SECONDS" -lt "$until" ] || { cat "$work/within.out" >&2; fail "$what (waited)"; }
    sleep 0.5
  done
  printf 'ok: %s\n' "$what"
}

# --- Outside: what needs the network, and the namespaces.

outside() {
  local base='' command release
  while [ $# -gt 0 ]; do
    case $1 in
      --keep-base) base=$2 && shift ;;
      *) sed -n '2,/^# shellcheck/{/^# shellcheck/d;s/^# \{0,1\}//p}' "$self" && exit 2 ;;
    esac
    shift
  done
  [ "$(id -u)" = 0 ] || fail 'only root can start a Docker daemon'
  for command in dockerd docker docker-compose ab debootstrap go prometheus promtool prometheus-alertmanager \
    prometheus-nginx-exporter prometheus-blackbox-exporter; do
    command -v "$command" >/dev/null || fail "$command is not installed; make test-compose installs it"
  done
  work=$(mktemp -d "${TMPDIR:-/tmp}/fremisn-test-compose.XXXXXX")
  trap 'rm -rf --one-file-system "$work"' EXIT

  base=${base:-$work/base}
  if [ ! -e "$base/usr/sbin/nginx" ]; then
    say "a Debian base in $base"
    # The host's own release, so that the host's Prometheus runs in it.
    # shellcheck source=/dev/null
    release=$(. /etc/os-release && echo "$VERSION_CODENAME")
    debootstrap --variant=minbase --include=nginx-light,curl,wget,make,ca-certificates,procps "$release" "$base" \
      >"$work/debootstrap.log" 2>&1 || { tail -n 20 "$work/debootstrap.log" >&2; fail debootstrap; }
    rm -rf "$base"/usr/share/{doc,man,locale,info} "$base"/var/cache/apt "$base"/var/lib/apt/lists
  fi
  # What go.mod names and no more, from what is on this machine already where it can.
  (cd "$root" && GOPROXY="file://$(go env GOMODCACHE)/cache/download,$(go env GOPROXY)" GOMODCACHE=$work/modules \
    GOFLAGS=-modcacherw go mod download)
  trap clean_up EXIT
  unshare --net --mount --pid --fork --mount-proc --kill-child "$self" --inside "$work" "$base"
  say 'all of it holds; the daemon and all it ran are gone'
}

clean_up() {
  rm -rf --one-file-system "$work"
  find /sys/fs/cgroup -depth -type d -path '*/fremisn-test-compose*' -exec rmdir {} + 2>/dev/null || true
}

# --- Inside: images, stack, overlay.

# image NAME BASE EXTRA CHANGE... imports a directory tree, with the files of EXTRA over it, as an image.
image() {
  local name=$1 tree=$2 extra=$3 change args=()
  shift 3
  for change in "$@"; do args+=(--change "$change"); done
  rm -rf "$work/tree" && cp -al "$tree" "$work/tree" && cp -a --remove-destination "$extra/." "$work/tree/"
  tar -C "$work/tree" -c . | docker import "${args[@]}" - "$name" >/dev/null
  rm -rf "$work/tree"
  echo "stand-in: $name"
}

stand_ins() {
  local base=$1 extra=$work/extra go_root
  # nginx, as the official image is: logs linked to stdout and stderr, workers as nginx, caches in /var/cache/nginx.
  mkdir -p "$extra/nginx"/{etc/nginx,var/log/nginx,var/cache/nginx} && cp "$base"/etc/{passwd,group} "$extra/nginx/etc/"
  echo 'nginx:x:101:101::/nonexistent:/bin/false' >>"$extra/nginx/etc/passwd"
  echo 'nginx:x:101:' >>"$extra/nginx/etc/group"
  ln -s /dev/stdout "$extra/nginx/var/log/nginx/access.log" && ln -s /dev/stderr "$extra/nginx/var/log/nginx/error.log"
  rm -rf "$work/nginx-base" && cp -al "$base" "$work/nginx-base" && rm -rf "$work/nginx-base"/var/lib/nginx
  mkdir -p "$extra/nginx/var/lib" && ln -s /var/cache/nginx "$extra/nginx/var/lib/nginx"
  image nginx:1.28.0 "$work/nginx-base" "$extra/nginx" 'CMD ["nginx", "-g", "daemon off;"]'

  mkdir -p "$extra/prometheus"/{usr/bin,prometheus} && chown 65534:65534 "$extra/prometheus/prometheus"
  cp -L "$(command -v prometheus)" "$(command -v promtool)" "$extra/prometheus/usr/bin/"
  image prom/prometheus:v3.13.5 "$base" "$extra/prometheus" 'USER 65534' 'ENTRYPOINT ["/usr/bin/prometheus"]'
  mkdir -p "$extra/alertmanager"/{usr/bin,usr/share/prometheus,alertmanager}
  cp -a /usr/share/prometheus/alertmanager "$extra/alertmanager/usr/share/prometheus/"
  cp -L "$(command -v prometheus-alertmanager)" "$extra/alertmanager/usr/bin/alertmanager"
  chown 65534:65534 "$extra/alertmanager/alertmanager"
  image prom/alertmanager:v0.34.2 "$base" "$extra/alertmanager" 'USER 65534' 'ENTRYPOINT ["/usr/bin/alertmanager"]'

  # Debian has no Grafana: this one only says whether it was given what Grafana needs, and keeps a file like its
  # database.
  mkdir -p "$extra/grafana"/{etc,var/lib/grafana} && chown 472:0 "$extra/grafana/var/lib/grafana"
  cat >"$extra/grafana/etc/grafana.sh" <<'SH'
set -eu
test -n "$GF_SECURITY_ADMIN_PASSWORD"
test -r /etc/grafana/provisioning/datasources/prometheus.yml
ls /etc/fremisn/dashboards/*.json >/dev/null
[ -e /var/lib/grafana/grafana.db ] || date +%s%N >/var/lib/grafana/grafana.db
exec nginx -c /etc/grafana.conf
SH
  cat >"$extra/grafana/etc/grafana.conf" <<'NGINX'
daemon off; pid /tmp/nginx.pid; error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path /tmp/a; proxy_temp_path /tmp/b; fastcgi_temp_path /tmp/c;
    uwsgi_temp_path /tmp/d; scgi_temp_path /tmp/e;
    server { listen 3000; location /api/health { return 200 "ok\n"; } }
}
NGINX
  image grafana/grafana:12.1.1 "$base" "$extra/grafana" 'USER 472' 'ENTRYPOINT ["/bin/sh", "/etc/grafana.sh"]'

  # The old stack's exporters, and the nodes: NGINX again, answering as FREMIS-N does.
  mkdir -p "$extra"/{old-nginx,old-blackbox}/usr/bin
  cp -L "$(command -v prometheus-nginx-exporter)" "$extra/old-nginx/usr/bin/exporter"
  cp -L "$(command -v prometheus-blackbox-exporter)" "$extra/old-blackbox/usr/bin/exporter"
  image nginx/nginx-prometheus-exporter:1.4.2 "$base" "$extra/old-nginx" 'USER 65534' 'ENTRYPOINT ["/usr/bin/exporter"]'
  image prom/blackbox-exporter:v0.25.0 "$base" "$extra/old-blackbox" 'USER 65534' 'ENTRYPOINT ["/usr/bin/exporter"]' \
    'CMD ["--config.file=/etc/blackbox_exporter/config.yml"]'
  mkdir -p "$extra/node/etc"
  cat >"$extra/node/etc/node.conf" <<'NGINX'
daemon off; pid /run/node.pid; error_log stderr;
events {}
http {
    access_log off;
    default_type application/json;
    server {
        listen 4005; listen 4008; listen 4009;
        location / { return 404; }
        location = /v1/healthcheck { return 200 "{}"; }
        location = /v1/get-limit-usage {
            return 200 '{"current_enrollment": 500, "maximum_enrollment": 1000,
                "current_keyspace": 5, "maximum_keyspace": 10,
                "current_anonymous_enrollment": 50, "maximum_anonymous_enrollment": 100}';
        }
        location /v1/face/ { return 200 '{"ok":true}'; }
    }
}
NGINX
  image fremisn-node:test "$base" "$extra/node" 'CMD ["nginx", "-c", "/etc/node.conf"]'

  # The builder: Go as it is here, with the modules it has downloaded, as the container has no network.
  go_root=$(go env GOROOT)
  mkdir -p "$extra/go/usr/local" "$extra/go/go/pkg/mod/cache"
  cp -a "$go_root" "$extra/go/usr/local/go"
  cp -a "$work/modules/cache/download" "$extra/go/go/pkg/mod/cache/"
  image "$(sed -n 's/^FROM --platform=[^ ]* \(golang:[^ ]*\) AS build$/\1/p' Dockerfile)" "$base" "$extra/go" \
    'ENV PATH=/usr/local/go/bin:/usr/bin:/bin' 'ENV GOPATH=/go' 'ENV GOPROXY=file:///go/pkg/mod/cache/download' \
    'ENV GOFLAGS=-buildvcs=false' 'ENV GOSUMDB=off' 'ENV GOTOOLCHAIN=local'
  rm -rf "$extra" "$work/nginx-base"
}

# storage_driver is overlay2 where the kernel and the file system of the work directory have it. vfs works everywhere,
# and copies a whole image for each layer: it takes ten minutes more.
storage_driver() {
  local try=$work/overlay driver=vfs
  local layers=lowerdir=$try/lower,upperdir=$try/upper,workdir=$try/work
  mkdir -p "$try"/{lower,upper,work,merged}
  if mount -t overlay overlay -o "$layers" "$try/merged" 2>/dev/null; then
    umount "$try/merged"
    driver=overlay2
  fi
  rm -rf "$try"
  echo "$driver"
}

start_daemon() {
  local driver
  driver=$(storage_driver)
  ip link set lo up
  mount --make-rprivate /
  export DOCKER_HOST=unix://$work/docker.sock DOCKER_BUILDKIT=0 COMPOSE_DOCKER_CLI_BUILD=0
  dockerd --storage-driver="$driver" --bridge=none --cgroup-parent=/fremisn-test-compose --data-root "$work/docker" \
    --exec-root "$work/exec" --pidfile "$work/docker.pid" --host "$DOCKER_HOST" >"$work/dockerd.log" 2>&1 &
  daemon=$!
  within 60 "the Docker daemon answers ($driver)" docker info
}

stop_daemon() {
  local ids
  ids=$(docker ps -aq 2>/dev/null || true)
  # shellcheck disable=SC2086 # a list of ids
  [ -z "$ids" ] || docker rm -f $ids >/dev/null 2>&1 || true
  kill "$daemon" 2>/dev/null || true
  wait "$daemon" 2>/dev/null || true
  umount -R "$work/docker" "$work/exec" 2>/dev/null || true
}

# block DOCUMENT FIRST_COMMAND is a block of commands of a document.
block() { "$root/.ci/block" "$root/$1" "$2"; }

# metric URL NAME prints the sum of a metric's series.
metric() {
  curl -fsS "$1" | awk -v name="$2" '
    index($0, name "{") == 1 || index($0, name " ") == 1 { total += $NF }
    END { print total + 0 }'
}
# serves URL REGEXP succeeds when a line of an answer matches.
serves() { curl -fsS "$1" | grep "$2" >/dev/null; }
target_up() { serves localhost:9090/api/v1/targets '"job":"'"$1"'"[^}]*}[^}]*"health":"up"'; }
# query EXPRESSION prints the value of the first series of Prometheus' answer.
query() {
  curl -fsS --get "http://localhost:9090/api/v1/query" --data-urlencode "query=$1" |
    sed 's/.*"value":\[[^,]*,"\([^"]*\)"\].*/\1/'
}
query_is() { [ "$(query "$1")" = "$2" ]; }
# limit_rate_is RATE succeeds when the exporter shows this limit_req rate of nginx.conf.
limit_rate_is() { [ "$(curl -fsS localhost:9113/metrics | sed -n 's/^nginx_limit_req_rate{.*} //p')" = "$1" ]; }
probes_up() { [ "$(curl -fsS localhost:9115/metrics | grep -c '^probe_success{.*} 1$')" -ge "$1" ]; }
# probe TARGET is the address of the exporter's /probe for a target.
probe() { printf 'localhost:9115/probe?module=fremisn_check&target=%s\n' "$1"; }
both_healthy() {
  local health
  health=$(command docker inspect -f '{{.State.Health.Status}}' \
    fremisn-nginx-exporter fremisn-blackbox-exporter | sort -u)
  [ "$health" = healthy ]
}

the_image() {
  say "the exporter's image, by its Dockerfile"
  docker build --network none --build-arg VERSION=9.9.9 -f "$work/src/compose/Dockerfile" \
    -t fremisn-exporter:local "$work/src" >"$work/build.log" 2>&1 ||
    { tail -n 30 "$work/build.log" >&2; fail 'docker build'; }
  local bytes
  bytes=$(docker image inspect -f '{{.Size}}' fremisn-exporter:local)
  holds "the image is under 30 MB: $((bytes / 1000000)) MB" test "$bytes" -lt 30000000
  is 'its user' "$(docker image inspect -f '{{.Config.User}}' fremisn-exporter:local)" 65534:65534
  holds 'its version is stamped' sh -c \
    'docker run --rm --network none fremisn-exporter:local --version 2>&1 | grep -F 9.9.9'
}

the_stack() {
  local scripts=$work/src/compose/scripts commands found
  say 'setup.sh and deploy.sh'
  cd "$work/src/compose"
  cp .env.example .env
  if docker-compose up -d >"$work/up.log" 2>&1; then fail 'up without a password'; fi
  holds 'up without a password says what to set' grep -F 'set GRAFANA_ADMIN_PASSWORD in compose/.env' "$work/up.log"
  rm .env
  # The README's block. The builder's cache has the layers of the image already. Between the block's two lines comes
  # what only this test needs.
  commands=$(block compose/README.md 'compose/scripts/setup.sh --generate-password   # shows Grafana'\''s password')
  holds 'setup.sh' bash -c "cd '$work/src' && $(sed -n 1p <<<"$commands")"
  is 'only its owner can read .env' "$(stat -c %a .env)" 600
  printf '%s\n' COMPOSE_PROFILES=alerting LOG_MAX_BYTES=200000 LOG_CHECK_SECONDS=1 BACKUP_DIR="$work/backups" >>.env
  EXPORTER_VERSION=9.9.9 holds 'deploy.sh' bash -c "cd '$work/src' && $(sed 1d <<<"$commands")"
  is 'containers' "$(docker ps --format '{{.Names}}' | grep -v ^node- | sort | tr '\n' ' ')" \
    'fremisn-alertmanager fremisn-exporter fremisn-grafana fremisn-loadbalancer fremisn-prometheus '

  say 'what it shows'
  within 60 'Prometheus scrapes the exporter' target_up fremisn-exporter
  within 60 'the rules are loaded' sh -c 'curl -fsS localhost:9090/api/v1/rules | grep -q Fremisn'
  is 'nginx_up' "$(metric localhost:9113/metrics nginx_up)" 1
  within 90 'the Watchdog reaches Alertmanager' sh -c 'curl -fsS localhost:9093/api/v2/alerts | grep -q FremisnWatchdog'
  found=$(docker exec fremisn-grafana sh -c 'for file in $(
      sed -n "s/^ *path: //p" /etc/grafana/provisioning/dashboards/*.yml
    ); do [ -r "$file" ] && echo "$file"; done' | wc -l)
  is 'dashboards where Grafana looks for them' "$found" \
    "$(find "$work/src/dashboards" -maxdepth 1 -name '*.json' | wc -l)"
  within 60 'three nodes are probed and up' probes_up 3
  is '/probe on 9115' "$(metric "$(probe http://172.30.99.231:4005)" probe_success)" 1
  within 60 "the container's health check shows the verdict" sh -c \
    'docker inspect -f "{{json .State.Health.Log}}" fremisn-exporter | grep -qE "healthy; (fine|degraded) since "'
  holds 'NGINX writes files, not to stdout' docker exec fremisn-loadbalancer test ! -L /var/log/nginx/access.log

  docker exec fremisn-exporter /fremisn-exporter check --config /etc/fremisn/probes.yml --storage.path /data \
    >"$work/check.out" 2>&1 || { cat "$work/check.out" >&2; fail 'the exporter finds its own stack bad'; }
  echo 'ok: the exporter finds its own stack good'

  say 'the scripts'
  "$scripts/health-check.sh" --verbose
  "$scripts/test-loadbalancer.sh" --requests 12
  "$scripts/test-request-logging.sh"
  sleep 3
  "$scripts/stress-test.sh" --users 3 --requests 20 --min-success 0 # the limiter lets few of them through
  "$scripts/simple-stress-test.sh" --users 5 --requests 200
  "$scripts/final-stress-test.sh" --users 10 --requests 100
  "$scripts/monitoring.sh" --once --interval 1 || [ $? = 1 ] # degraded: of the last minute's requests most were refused

  say 'changed files'
  local started
  started=$(docker inspect -f '{{.State.StartedAt}}' fremisn-loadbalancer)
  cp nginx/nginx.conf "$work/good.conf"
  echo 'nonsense;' >>nginx/nginx.conf
  if "$scripts/deploy.sh" --no-build >"$work/deploy.log" 2>&1; then fail 'deploy.sh with a broken nginx.conf'; fi
  holds 'a broken nginx.conf is refused' grep -F 'nothing was changed' "$work/deploy.log"
  sed 's/rate=10r/rate=9r/' "$work/good.conf" >nginx/nginx.conf
  holds 'deploy.sh with a new nginx.conf' "$scripts/deploy.sh" --no-build
  is 'NGINX was not restarted for either' "$(docker inspect -f '{{.State.StartedAt}}' fremisn-loadbalancer)" "$started"
  within 60 'the new limit is in force, and the exporter shows it' limit_rate_is 9

  say 'rotation, and not a line lost'
  local before counted
  before=$(metric localhost:9113/metrics nginx_access_requests_total)
  for _ in 1 2 3; do
    ab -q -n 1500 -c 5 http://localhost:8081/health >/dev/null
    sleep 2
  done
  within 30 'a rotated file is compressed' docker exec fremisn-loadbalancer test -e /var/log/nginx/access.log.2.gz
  counted=$(metric localhost:9113/metrics nginx_access_requests_total)
  is 'requests counted across the rotations' "$((counted - before))" 4500

  say 'restarts'
  before=$(metric localhost:9113/metrics nginx_access_requests_total)
  docker kill fremisn-exporter >/dev/null && docker start fremisn-exporter >/dev/null
  within 60 'the exporter is back' curl -fsS localhost:9113/-/ready
  is 'requests after SIGKILL' "$(metric localhost:9113/metrics nginx_access_requests_total)" "$before"
  docker restart fremisn-loadbalancer >/dev/null
  within 60 'the load balancer is back' curl -fsS localhost:8081/health

  say 'backup and restore'
  "$scripts/backup.sh"
  local archive database
  archive=$("$scripts/backup.sh" list)
  "$scripts/backup.sh" verify "$archive"
  database=$(docker exec fremisn-grafana cat /var/lib/grafana/grafana.db)
  docker exec fremisn-grafana sh -c 'echo lost >/var/lib/grafana/grafana.db'
  "$scripts/backup.sh" restore "$archive" --yes
  is "Grafana's database" "$(docker exec fremisn-grafana cat /var/lib/grafana/grafana.db)" "$database"
  "$scripts/deploy.sh" --no-build
  within 60 'Prometheus knows what was before' query_is 'count(max_over_time(up{job="fremisn-exporter"}[1h]))' 1

  say 'down'
  docker-compose -f docker-compose.yml --env-file .env down -v >"$work/down.log" 2>&1 ||
    { cat "$work/down.log" >&2; fail down; }
  is 'containers left' "$(docker ps -a --format '{{.Names}}' | grep -cv ^node- || true)" 0
}

old_compose() { docker-compose -p old -f compose.yml "$@"; }

# without_the_volume is what holds between the two steps of the overlay.
without_the_volume() {
  local images refused series
  images=$(command docker inspect -f '{{.Config.Image}}' fremisn-nginx-exporter fremisn-blackbox-exporter | sort -u)
  is images "$images" fremisn-exporter:local
  within 60 'nginx-exporter answers' serves localhost:9113/metrics '^nginx_up 1'
  within 60 'blackbox-exporter answers' serves "$(probe http://172.30.99.18:4008)" '^probe_success 1'
  refused=$(curl -s -o /dev/null -w '%{http_code}' "$(probe http://203.0.113.1/)")
  is 'what is not private is refused' "$refused" 403
  within 60 'Prometheus, untouched, still scrapes nginx' target_up nginx
  within 90 'and its blackbox job' query_is 'sum(probe_success{job="blackbox"})' 3
  within 60 'both containers are healthy' both_healthy
  series=$(curl -fsS localhost:9113/metrics | grep -c '^nginx_access_requests_total' || true)
  is 'log metrics without the volume' "$series" 0
}

the_overlay() {
  local old=$work/src/compose/testdata/old
  say 'the old stack'
  cd "$old"
  sha256sum nginx/nginx.conf prometheus/prometheus.yml blackbox/blackbox.yml >"$work/untouched"
  old_compose up -d >"$work/old.log" 2>&1 || { cat "$work/old.log" >&2; fail 'old up'; }
  within 60 'its Prometheus scrapes nginx-exporter' target_up nginx
  within 60 'and blackbox-exporter' target_up blackbox
  within 60 'probes are up' query_is 'sum(probe_success)' 3

  say 'the overlay takes the place of both, by the commands of the README'
  # Other addresses and folders, the clone from here, and no network for the builder. Curl asks until there is an
  # answer: the README's reader is slower than a script.
  block compose/README.md 'git clone https://github.com/fremisn/fremisn-exporter /opt/fremisn-exporter' | sed "
    s#/opt/fremisn-exporter#$work/opt#g; s#/path/to/the/old/stack#$old#; s#docker-compose.yml:#compose.yml:#
    s/192\.168\.100\./172.30.99./; s/^docker build /docker build --network none /
    s/^curl .*/until &; do sleep 0.5; done/; s/^export COMPOSE_FILE=[$]COMPOSE_FILE.*/without_the_volume; &/
  " >"$work/overlay.sh"
  cat >"$work/gitconfig" <<GIT
[url "file://$work/src"]
	insteadOf = https://github.com/fremisn/fremisn-exporter
[safe]
	directory = *
GIT
  local code=0
  set +e # or it would not hold in there
  (
    set -e
    export GIT_CONFIG_GLOBAL=$work/gitconfig
    # docker-compose 1.29 in place of docker compose: Debian has no other.
    # shellcheck disable=SC2317 # the block calls it
    docker() {
      if [ "$1" = compose ]; then docker-compose "${@:2}"; else command docker "$@"; fi >>"$work/overlay.log" 2>&1
    }
    # shellcheck source=/dev/null
    . "$work/overlay.sh"
  )
  code=$?
  set -e
  [ "$code" = 0 ] || { tail -n 30 "$work/overlay.log" >&2; fail "the README's commands for the overlay"; }

  say 'and with the log volume, the log metrics'
  within 60 'the load balancer is back' curl -fsS -o /dev/null localhost:8081/v1/healthcheck
  within 60 'requests are counted' serves localhost:9113/metrics '^nginx_access_requests_total{.*} [1-9]'
  sha256sum --quiet -c "$work/untouched" && echo 'ok: nginx.conf, prometheus.yml and blackbox.yml are untouched'
  export FREMISN_COMPOSE=$work/src/compose NGINX_CONF=./nginx/nginx.conf BLACKBOX_YML=./blackbox/blackbox.yml

  say 'alone, without the old file'
  old_compose stop nginx-exporter blackbox-exporter >/dev/null 2>&1
  old_compose rm -f nginx-exporter blackbox-exporter >/dev/null 2>&1
  (cd "$FREMISN_COMPOSE" && FREMISN_COMPOSE=. NGINX_CONF=$old/nginx/nginx.conf \
    BLACKBOX_YML=$old/blackbox/blackbox.yml docker-compose -p fremisn -f exporter-only.yml up -d) \
    >"$work/overlay.log" 2>&1 || { cat "$work/overlay.log" >&2; fail 'overlay alone'; }
  within 60 'nginx-exporter answers' serves localhost:9113/metrics '^nginx_up 1'
  within 60 'blackbox-exporter answers' serves "$(probe http://172.30.99.17:4009)" '^probe_success 1'
}

inside() {
  work=$1
  trap stop_daemon EXIT
  start_daemon
  say 'stand-in images'
  stand_ins "$2"
  # A copy of the checkout, with the nodes' addresses in a network of our own.
  mkdir "$work/src"
  tar -C "$root" --exclude=./.git --exclude=./data --exclude=./dist --exclude=./compose/.env -c . |
    tar -C "$work/src" -x
  grep -rlF 192.168.100. "$work/src/compose" --include='*.yml' --include='nginx.conf' |
    xargs sed -i 's/192\.168\.100\./172.30.99./g'
  # A repository, to be cloned from.
  git -C "$work/src" init -q
  git -C "$work/src" add -A
  git -C "$work/src" -c user.name=test -c user.email=test@localhost commit -q -m 'for this test'
  docker network create --subnet 172.30.99.0/24 nf-visionaire >/dev/null
  docker run -d --name node-master --network nf-visionaire --ip 172.30.99.231 fremisn-node:test >/dev/null
  docker run -d --name node-slave-1 --network nf-visionaire --ip 172.30.99.18 fremisn-node:test >/dev/null
  docker run -d --name node-slave-2 --network nf-visionaire --ip 172.30.99.17 fremisn-node:test >/dev/null
  the_image
  the_stack
  the_overlay
}

case ${1:-} in
  --inside) inside "$2" "$3" ;;
  *) outside "$@" ;;
esac

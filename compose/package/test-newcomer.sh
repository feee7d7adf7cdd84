#!/usr/bin/env bash
# test-newcomer.sh: a newcomer's path, by the words of the documents. On a minimal Debian, beside Debian's own NGINX
# with a proxied application, the command blocks of README's first screens are run unchanged, by a user with sudo,
# from the package and then from source; and what the documents say of them must hold.
#
# What is committed is what is tested. The Debian is made by debootstrap once, and boots in systemd-nspawn without a
# network: the clone comes from here, Go and its modules are this machine's. Needs root.
set -euo pipefail

# shellcheck source=root.sh
. "$(dirname "${BASH_SOURCE[0]}")/root.sh"

outside() {
  prepare
  git -c safe.directory='*' clone -q --bare . "$work/root/srv/fremisn-exporter"
  TARGETS="$(go env GOARCH):" compose/package/release.sh "$work/root/srv/dist" >"$work/release.log" 2>&1 ||
    { cat "$work/release.log" >&2; fail 'make release'; }
  go mod download
  boot 1200 "$work/root" --bind-ro="$(go env GOROOT):/usr/local/go" --bind-ro="$(go env GOMODCACHE):/srv/modules"
}

# as_newcomer COMMANDS runs them in the folder where the newcomer is.
as_newcomer() { su - newcomer -c "set -euo pipefail; cd $folder; $1" </dev/null; }

# must WHAT COMMANDS is as_newcomer, and shows the output of a failure.
must() { as_newcomer "$2" >/root/said 2>&1 || { cat /root/said; fail "$1"; }; }

documents=/srv/documents # what is committed, for reading
here() { sed "s/amd64/$(dpkg --print-architecture)/"; }
block() { "$documents/.ci/block" "$documents/$1" "$2"; }

# metric NAME prints the sum of a metric's series.
metric() {
  curl -fsS localhost:9113/metrics | awk -v name="$1" '
    index($0, name "{") == 1 || index($0, name " ") == 1 { total += $NF }
    END { print total + 0 }'
}

# An application behind Debian's NGINX, as its nginx.conf takes it in: a file in sites-enabled. Logs, format and all
# else are Debian's.
proxied_application() {
  cat >/etc/nginx/sites-available/shop <<'NGINX'
upstream shop { server 127.0.0.1:3000; server 127.0.0.1:3001; }
server { listen 80 default_server; location / { proxy_pass http://shop; } }
server { listen 127.0.0.1:3000; access_log off; location / { return 200 "one\n"; } }
server { listen 127.0.0.1:3001; access_log off; location / { return 200 "two\n"; } }
NGINX
  ln -s ../sites-available/shop /etc/nginx/sites-enabled/shop
  rm /etc/nginx/sites-enabled/default
  nginx -t -q && systemctl reload nginx
  within 10 'the application answers through NGINX' sh -c 'curl -fsS localhost/ | grep -x one'
}

newcomer() {
  useradd --create-home --shell /bin/bash newcomer
  echo 'newcomer ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/newcomer
  local home=/home/newcomer
  # README: "put /usr/local/go/bin first in PATH". The rest replaces a network.
  cat >"$home/.profile" <<'PROFILE'
export PATH=/usr/local/go/bin:$PATH
export GOMODCACHE=/srv/modules GOFLAGS=-mod=mod GOPROXY=off GOTOOLCHAIN=local
PROFILE
  cat >"$home/.gitconfig" <<'GIT'
[url "file:///srv/fremisn-exporter"]
	insteadOf = https://github.com/fremisn/fremisn-exporter
[safe]
	directory = *
GIT
  # Who edits: gives the two servers names, as probes.yml proposes it.
  cat >/usr/local/bin/edit <<'EDIT'
#!/bin/sh
printf 'nodes:\n  - {name: one, address: "127.0.0.1:3000"}\n  - {name: two, address: "127.0.0.1:3001"}\n' >>"$1"
EDIT
  chmod +x /usr/local/bin/edit
  update-alternatives --install /usr/bin/editor editor /usr/local/bin/edit 1000 >/dev/null
}

# first_run COMMAND is README's block without the line that serves, of a program that is called COMMAND.
first_run() { block README.md "$check" | sed "2d; s#\./fremisn-exporter#$1#"; }
check='sudo ./fremisn-exporter check     # changes nothing; says what works, what is missing and what to do'
ok_requests='nginx_access_outcomes_total{log="access",outcome="ok",route=""}'

from_package() {
  local said path
  folder=/home/newcomer/package
  install -d -o newcomer "$folder/dist" && cp /srv/dist/*.deb "$folder/dist/"
  must "compose/README's commands for the package" \
    "$(block compose/README.md 'sudo apt install ./dist/fremisn-exporter_*_amd64.deb' | here)"
  has 'check, by compose/README' "$(cat /root/said)" ' 0 errors,'
  within 30 'the service serves' curl -fsS localhost:9113/-/ready
  must purge 'sudo apt-get purge -y fremisn-exporter'

  must "README's commands for the package" \
    "$(block README.md 'sudo apt install ./dist/fremisn-exporter_*_amd64.deb' | here)"
  within 30 'installed, edited and enabled, it serves' curl -fsS localhost:9113/-/ready
  curl -fsS localhost/ localhost/ >/dev/null
  said=$(as_newcomer "$(first_run fremisn-exporter)")
  has 'check says what is missing' "$said" 'Works, but '
  has 'and finds no error' "$said" ' 0 errors,'
  has 'the curl of the first run shows requests' "$said" "$ok_requests 2"
  within 30 'it probes the application, under the names that were edited in' \
    serves '^probe_success{node="two",.*127.0.0.1:3001.* 1$'
  is 'combined has no upstreams, as README says' "$(metric nginx_upstream_attempts_total)" 0

  log_format
  for path in / /incidents /api/v1/status /api/v1/incidents /probes /metrics /config /-/healthy /-/ready; do
    is "the page $path" "$(curl -s -o /dev/null -w '%{http_code}' "localhost:9113$path")" 200
  done
  within 60 'the verdict is fine' sh -c 'curl -fsS localhost:9113/api/v1/status | grep -q "\"verdict\": \"fine\""'
  has 'the man page' "$(zcat /usr/share/man/man1/fremisn-exporter.1.gz)" '.TH'
  has 'the completion of bash' "$(cat /usr/share/bash-completion/completions/fremisn-exporter)" 'complete '
  prometheus_reads
  must purge 'sudo apt-get purge -y fremisn-exporter'
}

# log_format puts README's into nginx.conf where README says that it goes, above access_log, and reloads by README's
# command.
log_format() {
  local reload
  awk '/^```nginx$/ { on = 1; next } /^```/ { on = 0 } on' "$documents/README.md" >/root/format
  sed -i -e '/access_log .*;/{s#;# fremisn;#;e cat /root/format' -e '}' /etc/nginx/nginx.conf
  # shellcheck disable=SC2016 # a command in backticks
  reload=$(grep -o '`sudo nginx -t [^`]*`' "$documents/README.md" | tr -d '`')
  must "NGINX takes README's log_format" "$reload"
  within 10 'NGINX has reloaded' sh -c 'curl -fsS localhost/ && tail -n 1 /var/log/nginx/access.log | grep -q urt='
  within 90 'README: then there are attempts' serves '^nginx_upstream_attempts_total{.*node="one".*} [1-9]'
}

# answers QUERY REGEXP succeeds when Prometheus' answer to a query matches.
answers() { curl -fsSG localhost:9090/api/v1/query --data-urlencode "query=$1" | grep "$2" >/dev/null; }

# prometheus_reads starts Debian's Prometheus with README's prometheus.yml and the package's rules, where README says
# that they lie.
prometheus_reads() {
  mkdir -p /etc/prometheus/fremisn /root/tsdb
  cp /usr/share/fremisn-exporter/alerts/*.rules.yml /etc/prometheus/fremisn/
  awk '/^```yaml$/ { getline; on = $0 == "# prometheus.yml" } /^```$/ { on = 0 } on' \
    "$documents/README.md" >/root/prometheus.yml
  prometheus --config.file=/root/prometheus.yml --storage.tsdb.path=/root/tsdb >/root/prometheus.log 2>&1 &
  local prometheus=$!
  within 60 "Prometheus scrapes it by README's prometheus.yml" answers up 'fremisn-exporter.*"1"'
  within 90 'and records what the dashboards need' answers '{__name__=~"fremisn:.+"}' fremisn:
  kill "$prometheus" && wait "$prometheus"
}

from_source() {
  local said serves
  folder=/home/newcomer
  must "README's commands from source" \
    "$(block README.md 'git clone https://github.com/fremisn/fremisn-exporter && cd fremisn-exporter')"
  folder=/home/newcomer/fremisn-exporter
  has 'make builds it' "$(as_newcomer './fremisn-exporter --version')" 'fremisn-exporter, version '
  must 'make demo' "export DEMO_SECONDS=10; $(block README.md 'make demo')"
  has 'make demo prints what to open' "$(cat /root/said)" 'http://127.0.0.1:9113/metrics'
  has 'and a line for each node' "$(cat /root/said)" '127.0.0.231:4005'
  is 'the checkout is as it was cloned' "$(as_newcomer 'git status --short')" ''

  as_newcomer "$(block README.md "$check" | sed -n 2p)" >/root/serves 2>&1 &
  serves=$!
  within 30 'from source, it serves' curl -fsS localhost:9113/-/ready
  curl -fsS localhost/ localhost/ localhost/ >/dev/null
  said=$(as_newcomer "$(first_run ./fremisn-exporter)")
  has 'check finds nothing missing' "$said" 'All works: 0 errors'
  has 'the curl of the first run shows requests' "$said" "$ok_requests 3"
  is 'attempts, now that NGINX logs upstreams' "$(metric nginx_upstream_attempts_total)" 3
  is 'no state in the checkout' "$(find "$folder" -name '*.state' -not -path '*/testdata/*')" ''
  [ -e /var/lib/fremisn-exporter/access.state ] || fail "root's state is not in /var/lib/fremisn-exporter"
  kill -INT "$(cat /var/lib/fremisn-exporter/lock)" # as Ctrl-C does
  wait "$serves" || fail "it ended with $?: $(cat /root/serves)"
  echo 'ok: Ctrl-C ends it, exit 0'
}

inside() {
  proxied_application
  newcomer
  git clone -q /srv/fremisn-exporter "$documents"
  from_package
  from_source
  echo 'all of it holds'
}

run_test "$@"

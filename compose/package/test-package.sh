#!/usr/bin/env bash
# test-package.sh: installs, upgrades, breaks, removes and purges the package on a real Debian under a real systemd,
# with NGINX's logs as Debian keeps them: readable only for www-data and the group adm.
#
# The Debian is made by debootstrap once, and boots in systemd-nspawn. Needs root.
set -euo pipefail

# shellcheck source=root.sh
. "$(dirname "${BASH_SOURCE[0]}")/root.sh"

outside() {
  prepare
  VERSION=0.0.1 compose/package/build.sh fremisn-exporter "$work/root/root"
  VERSION=0.0.2 compose/package/build.sh fremisn-exporter "$work/root/root"
  # The test starts NGINX itself, with its own nginx.conf. The unit, started at boot, would hold the ports.
  ln -sf /dev/null "$work/root/etc/systemd/system/nginx.service"
  boot 300 "$work/root"
}

metric() { curl -fsS localhost:9113/metrics | sed -n "s/^$1 //p"; }
state() { systemctl show -p "$1" --value fremisn-exporter; }
requests='nginx_access_requests_total{.*code="200".*}'
counted() { [ "$(metric "$requests")" = "$1" ]; }

inside() {
  cat >/etc/nginx/nginx.conf <<'NGINX'
events {}
http {
    access_log /var/log/nginx/access.log;
    error_log /var/log/nginx/error.log;
    upstream node { server 127.0.0.1:4005; }
    server { listen 4005; access_log off; location / { return 200 ok; } }
    server { listen 8081; location / { proxy_pass http://node; } }
    server { listen 8080; location /nginx_status { stub_status; access_log off; } }
}
NGINX
  touch /var/log/nginx/{access,error}.log
  chown www-data:adm /var/log/nginx /var/log/nginx/*.log && chmod 750 /var/log/nginx && chmod 640 /var/log/nginx/*.log
  nginx

  dpkg -i /root/fremisn-exporter_0.0.1_*.deb
  is 'a first installation is not started' "$(state ActiveState)" inactive
  systemctl enable --now fremisn-exporter
  within 30 'it is ready' curl -fsS localhost:9113/-/ready
  is 'its user is not root' "$(ps -o user= -p "$(state MainPID)" | grep -c '^root')" 0
  curl -fsS -o /dev/null localhost:8081/ && curl -fsS -o /dev/null localhost:8081/
  is nginx_up "$(metric nginx_up)" 1
  within 30 'it reads the logs' counted 2
  within 30 'and probes what nginx.conf names' serves '^probe_success{.*} 1$'
  systemctl reload fremisn-exporter
  within 30 'it reloads' sh -c 'journalctl -u fremisn-exporter | grep -qi reload'

  echo '# mine' >>/etc/fremisn-exporter/probes.yml
  local before left
  before=$(state MainPID)
  dpkg -i /root/fremisn-exporter_0.0.2_*.deb
  within 30 'after an upgrade it is ready' curl -fsS localhost:9113/-/ready
  [ "$(state MainPID)" != "$before" ] || fail 'the old binary still runs'
  is 'the edited config is kept' "$(tail -n 1 /etc/fremisn-exporter/probes.yml)" '# mine'
  is 'and so are the counts' "$(metric "$requests")" 2
  # Root's own start, with the service stopped, goes on with the same state and leaves the service its own.
  systemctl stop fremisn-exporter
  fremisn-exporter --web.listen-address=127.0.0.1:9119 2>/root/by-hand &
  within 30 'root starts it by hand' curl -fsS localhost:9119/-/ready
  curl -fsS -o /dev/null localhost:8081/
  is 'its counts go on from those of the service' "$(curl -fsS localhost:9119/metrics | sed -n "s/^$requests //p")" 3
  kill -INT %1 && wait %1
  systemctl start fremisn-exporter
  within 30 'the service starts again' curl -fsS localhost:9113/-/ready
  is 'and goes on from those of root' "$(metric "$requests")" 3

  systemd-analyze security --no-pager --threshold=15 fremisn-exporter | tail -n 1

  echo 'nonsense: 1' >>/etc/fremisn-exporter/probes.yml
  systemctl restart fremisn-exporter
  within 30 'a wrong config fails' systemctl is-failed fremisn-exporter
  is 'and is not tried again' "$(state NRestarts)" 0
  within 10 'the journal names the line' sh -c 'journalctl -u fremisn-exporter | grep -q "probes.yml:.*nonsense"'
  sed -i '/nonsense/d' /etc/fremisn-exporter/probes.yml
  systemctl start fremisn-exporter

  dpkg -r fremisn-exporter
  is 'removed, it is stopped' "$(systemctl is-active fremisn-exporter || true)" inactive
  [ -e /etc/fremisn-exporter/probes.yml ] || fail 'the config is not kept'
  [ -e /var/lib/private/fremisn-exporter ] || fail 'the state is not kept'
  dpkg -P fremisn-exporter
  left=$(find /etc /var/lib /usr/bin /lib/systemd -name '*fremisn*' | grep -v /var/lib/systemd || true)
  is 'purged, nothing is left' "$left" ''
  echo 'all of it holds'
}

run_test "$@"

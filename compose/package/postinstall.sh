#!/bin/sh
set -e
# A first installation is not started: its config wants a look first. An upgrade starts the new binary, which goes on where the
# old one stopped.
if [ "$1" = configure ] && [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  if [ -n "$2" ]; then
    systemctl try-restart fremisn-exporter.service
  else
    echo 'fremisn-exporter: look at /etc/fremisn-exporter/probes.yml, then: systemctl enable --now fremisn-exporter'
  fi
fi

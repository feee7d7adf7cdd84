#!/bin/sh
set -e
# A first installation is not started: its config needs a look first. An upgrade starts the new binary, which goes on
# where the old one stopped. DPKG_ROOT is set where dpkg installs into another system's root without entering it.
if [ "$1" = configure ] && [ -d "${DPKG_ROOT:-}/run/systemd/system" ]; then
  systemctl daemon-reload
  if [ -n "$2" ]; then
    systemctl try-restart fremisn-exporter.service ||
      echo 'fremisn-exporter did not start again: journalctl -u fremisn-exporter' >&2
  else
    echo 'fremisn-exporter: look at /etc/fremisn-exporter/probes.yml, then: systemctl enable --now fremisn-exporter'
  fi
fi

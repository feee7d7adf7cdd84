#!/bin/sh
set -e
if [ -d "${DPKG_ROOT:-}/run/systemd/system" ]; then systemctl daemon-reload; fi
# DynamicUser keeps the state in private/ and links to it.
if [ "$1" = purge ]; then
  rm -rf "${DPKG_ROOT:-}/var/lib/private/fremisn-exporter" "${DPKG_ROOT:-}/var/lib/fremisn-exporter"
fi

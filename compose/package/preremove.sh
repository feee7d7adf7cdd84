#!/bin/sh
set -e
# On an upgrade the old one goes on until the new one takes its place.
if [ "$1" = remove ] && [ -d "${DPKG_ROOT:-}/run/systemd/system" ]; then
  systemctl disable --now fremisn-exporter.service || true # what is not running need not keep the package
fi

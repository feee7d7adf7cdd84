#!/bin/sh
set -e
# During an upgrade the old one runs until the new one replaces it.
if [ "$1" = remove ] && [ -d "${DPKG_ROOT:-}/run/systemd/system" ]; then
  systemctl disable --now fremisn-exporter.service || true # removal goes on if it does not run
fi

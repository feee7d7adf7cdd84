#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
# DynamicUser keeps the state in private/ and links to it.
if [ "$1" = purge ]; then rm -rf /var/lib/private/fremisn-exporter /var/lib/fremisn-exporter; fi

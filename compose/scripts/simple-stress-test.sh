#!/usr/bin/env bash
# simple-stress-test.sh: 20 users × 1000 requests to /health, by ab.
#
# Prints what the client saw beside what the exporter saw, per node; 0 if both agree,
# 1 if not.
#   --users N  --requests N (each user)  --seconds N  --path PATH
#   --url URL  --exporter URL
#   --others   other clients use the load balancer meanwhile: the exporter may have
#              counted more
#   --dry-run  show ab's command, send nothing
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

load_env
users=20 per_user=1000 seconds='' path=/health payload=''
stress "$@"

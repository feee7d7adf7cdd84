#!/usr/bin/env bash
# final-stress-test.sh: 50 users × 500 requests to /health, for 30 seconds at most, by ab.
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
users=50 per_user=500 seconds=30 path=/health payload=''
stress "$@"

#!/usr/bin/env bash
# final-stress-test.sh: 50 users × 500 requests to /health, for 30 seconds at most, by ab.
#
# Prints what the client saw beside what the exporter saw, per node, then how well the
# service did: share of served requests, goodput, p95 of the served, refusals by cause.
#   --users N  --requests N (each user)  --seconds N  --path PATH
#   --url URL  --exporter URL
#   --others   other clients use the load balancer meanwhile: the exporter may have
#              counted more
#   --min-success PERCENT  the service is good if so many were served (95); 4xx of a
#              node count as served, as it answered
#   --dry-run  show ab's command, send nothing
# Exit codes: 0 client and exporter agree, and the service is good; 1 one of both is not
# so; 2 wrong use or a missing tool; 3 exporter or load balancer do not answer.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

load_env
users=50 per_user=500 seconds=30 path=/health payload=''
stress "$@"

#!/usr/bin/env bash
# stress-test.sh: 10 users × 100 POSTs of JSON to /v1/face/enrollment, for 60 seconds at
# most, by ab.
#
# This enrols on real nodes: use a keyspace for tests (FREMISN_TEST_KEYSPACE).
# FREMISN_TEST_IMAGE names a photograph to send.
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
image=''
if [ -n "${FREMISN_TEST_IMAGE:-}" ]; then
  image=$(base64 -w 0 "$FREMISN_TEST_IMAGE" 2>/dev/null) || die 2 "cannot read FREMISN_TEST_IMAGE, $FREMISN_TEST_IMAGE"
fi
payload=$(printf '{"keyspace":"%s","image":"%s","additional_params":{"face_id":"stress-test"}}' \
  "${FREMISN_TEST_KEYSPACE:-stress-test}" "${image:-bm8gcGhvdG9ncmFwaA==}")
users=10 per_user=100 seconds=60 path=/v1/face/enrollment
stress "$@"

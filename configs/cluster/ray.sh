#!/bin/bash
# A Ray cluster by hand. On the head node: ray.sh head. On every other node: ray.sh worker HEAD:6379.
# Then, on the head node: qdx run configs/cluster/ray.yaml
set -euo pipefail
export RAY_USAGE_STATS_ENABLED=0
case "${1:-}" in
head) exec ray start --head --port 6379 --include-dashboard false ${CPUS:+--num-cpus "$CPUS"} ${HOST:+--node-ip-address "$HOST"} ;;
worker) exec ray start --address "$2" ${CPUS:+--num-cpus "$CPUS"} --block ;;
*) echo "usage: ray.sh head | ray.sh worker HEAD:6379" >&2 && exit 2 ;;
esac

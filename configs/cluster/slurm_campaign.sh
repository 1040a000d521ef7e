#!/bin/bash
# One campaign and its Dask scheduler: sbatch configs/cluster/slurm_campaign.sh
# Workers are jobs of their own (slurm_worker.sh), started before or after, as many as the cluster gives. They end with
# this job: whoever submits it again submits them again too.
#SBATCH --job-name=qdx-campaign
#SBATCH --cpus-per-task=2
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --signal=B:TERM@120
set -euo pipefail
CONFIG=${CONFIG:-configs/cluster/dask.yaml}
RUN=${RUN:-archives/cluster}
export SCHEDULER_FILE=${SCHEDULER_FILE:-$PWD/scheduler.json}
HOST=${HOST:-$(hostname)} # must be an address that workers reach
export DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES=0 # qdx counts lost workers itself

rm -f "$SCHEDULER_FILE"
dask scheduler --host "$HOST" --port 0 --no-dashboard --no-jupyter --scheduler-file "$SCHEDULER_FILE" &
scheduler=$!
while [ ! -s "$SCHEDULER_FILE" ]; do
    kill -0 "$scheduler" # ends the job if the scheduler did
    sleep 1
done

WHERE="executor={kind: dask, scheduler_file: '$SCHEDULER_FILE', workers_timeout_s: 86400}"
if [ -e "$RUN/config.yaml" ]; then
    qdx resume "$RUN" "$WHERE" &
else
    qdx run "$CONFIG" "$WHERE" --out "$RUN" &
fi
campaign=$!
trap 'kill -TERM "$campaign"' TERM INT # it commits and ends
status=0
wait "$campaign" || status=$?
if kill -0 "$campaign" 2>/dev/null; then # a signal ended the wait, not the campaign
    status=0
    wait "$campaign" || status=$?
fi
kill "$scheduler" 2>/dev/null || true # it may have gone
exit "$status"

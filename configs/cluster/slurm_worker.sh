#!/bin/bash
# Workers, one per job: sbatch --array=1-16 configs/cluster/slurm_worker.sh
# With a GPU each: sbatch --array=1-16 --gres=gpu:1 --export=ALL,RESOURCES=GPU=1 configs/cluster/slurm_worker.sh
# SLURM then shows each job one GPU; ask for it with executor.device=cuda 'executor.resources={GPU: 1}'.
#SBATCH --job-name=qdx-worker
#SBATCH --cpus-per-task=1
#SBATCH --time=12:00:00
#SBATCH --requeue
set -euo pipefail
SCHEDULER_FILE=${SCHEDULER_FILE:-$PWD/scheduler.json}
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
# A worker waits --death-timeout for its scheduler, and ends with it.
exec dask worker --scheduler-file "$SCHEDULER_FILE" --nthreads 1 --nworkers 1 --memory-limit 0 \
    --no-dashboard --death-timeout 300 --name "worker-${SLURM_JOB_ID:-$$}" ${RESOURCES:+--resources "$RESOURCES"} \
    --local-directory "${TMPDIR:-/tmp}"

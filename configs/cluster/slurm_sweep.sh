#!/bin/bash
# A grid of campaigns as a job array, one campaign per job: sbatch configs/cluster/slurm_sweep.sh
# Restart the array as it is: finished campaigns end at once, others resume.
#SBATCH --job-name=qdx-sweep
#SBATCH --array=0-5
#SBATCH --cpus-per-task=4
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --signal=B:TERM@60
set -euo pipefail
CONFIG=${CONFIG:-configs/hard_maze.yaml}
SWEEP=${SWEEP:-sweeps/first}
# exec: SLURM's signals reach qdx, which commits and ends
exec qdx sweep "$CONFIG" 'seed=[1,2,3]' 'searcher=[novelty_search,random_search]' \
    "executor.threads=${SLURM_CPUS_PER_TASK:-4}" --out "$SWEEP" --task "$SLURM_ARRAY_TASK_ID"

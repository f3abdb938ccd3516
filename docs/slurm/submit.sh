#!/bin/bash
# Submit all shares as a job array, and the merge for when all of them have ended well.
set -euo pipefail
cd "$(dirname "$0")"
export SHARES="${SHARES:-100}"
array=$(sbatch --parsable --array="${ARRAY:-1-$SHARES}" share.sbatch)
merge=$(sbatch --parsable --dependency="afterok:$array" --kill-on-invalid-dep=yes merge.sbatch)
echo "shares: job $array, merge: job $merge"

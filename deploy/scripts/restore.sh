#!/bin/sh
# Put a backup back, over what is there:
#   restore.sh FOLDER
# Stop the tracking server first (`docker compose stop tracking app`), start it afterwards.
set -eu
source=$(cd "${1:?usage: restore.sh FOLDER}" && pwd)
(cd "$source" && sha256sum --check --quiet SHA256SUMS) ||
  { echo "The backup in $source is damaged; nothing was changed." >&2; exit 1; }

cd "$(dirname "$0")/.."
in_postgres() { ${POSTGRES-docker compose exec -T postgres} "$@"; }
in_bucket() { ${BUCKET_TOOL-docker compose run --rm -T bucket python /opt/copy_bucket.py} "$@"; }

in_bucket push < "$source/bucket.tar"
for database in mlflow mlflow_auth; do
  in_postgres pg_restore --username "${PGUSER:-postgres}" --dbname "$database" \
    --clean --if-exists --single-transaction --exit-on-error < "$source/$database.dump"
done
echo "Restored $source."

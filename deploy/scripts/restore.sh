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

# Tables that the backup does not know, of a later version, go too. All or nothing of a database.
empty='DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION pg_database_owner;
GRANT USAGE ON SCHEMA public TO PUBLIC;'
in_bucket push < "$source/bucket.tar"
for dump in "$source"/*.dump; do
  database=$(basename "$dump" .dump)
  { echo "$empty"; in_postgres pg_restore --file - < "$dump" || echo "SELECT 1 / 0;"; } |
    in_postgres psql --username "${PGUSER:-postgres}" --dbname "$database" --quiet --output /dev/null \
      --single-transaction --set ON_ERROR_STOP=1 --file -
done
echo "Restored $source."

#!/bin/sh
# Copy the databases and the bucket to a new folder:
#   backup.sh FOLDER
# The stack goes on. Databases first: an artifact is there before the run that names it ends, so
# whatever the copied databases name is in the bucket copied after them.
# POSTGRES and BUCKET_TOOL are the commands to use; by default they run in the stack of compose.
set -eu
target=${1:?usage: backup.sh FOLDER}
test ! -e "$target" || { echo "$target exists; give a new folder." >&2; exit 2; }
tools=$(cd "$(dirname "$0")/.." && pwd)
unfinished=$target.part
umask 077
rm -rf "$unfinished"
mkdir -p "$unfinished"
unfinished=$(cd "$unfinished" && pwd)

cd "$tools"
in_postgres() { ${POSTGRES-docker compose exec -T postgres} "$@"; }
in_bucket() { ${BUCKET_TOOL-docker compose run --rm -T bucket python /opt/copy_bucket.py} "$@"; }

databases=$(in_postgres psql --username "${PGUSER:-postgres}" --dbname postgres --tuples-only \
  --no-align --command "SELECT datname FROM pg_database WHERE datname LIKE 'mlflow%' OR datname = 'labels'")
for database in $databases; do
  in_postgres pg_dump --username "${PGUSER:-postgres}" --format custom "$database" \
    > "$unfinished/$database.dump"
done
in_bucket pull > "$unfinished/bucket.tar"
(cd "$unfinished" && sha256sum -- *.dump bucket.tar > SHA256SUMS)
cd - > /dev/null
mv "$unfinished" "$target"
echo "Backup is in $target."

#!/bin/sh
# Take the stack to the versions of this checkout: new images, a backup, new tables, new containers.
#   git pull && upgrade.sh BACKUP-FOLDER
# From the backup on the tracking server is away: nothing is logged that the backup lacks. What fails
# before the new containers start brings the former tables and the former server back.
set -eu
folder=${1:?usage: upgrade.sh BACKUP-FOLDER}
case $folder in /*) ;; *) folder=$PWD/$folder ;; esac
cd "$(dirname "$0")/.."

go_back() {
  test ! -e "$folder" || scripts/restore.sh "$folder" ||
    { echo "The tables are not back; the tracking server stays away." >&2; exit 1; }
  docker compose start tracking
  echo "Nothing was upgraded; the former tracking server runs again." >&2
  exit 1
}

test ! -e "$folder" || { echo "$folder exists; give a new folder." >&2; exit 2; }
docker compose build --pull
docker compose stop tracking
scripts/backup.sh "$folder" || go_back
# shellcheck disable=SC2016  # expanded inside the container
docker compose run --rm -T --no-deps --entrypoint /bin/sh tracking -c \
  'mlflow db upgrade "postgresql+psycopg://mlflow:$(cat /run/secrets/database_password)@postgres/mlflow"' ||
  go_back
docker compose up --detach --wait || {
  cat >&2 <<TEXT
The new containers are not healthy: see docker compose ps and docker compose logs. To go back:
  docker compose stop tracking app
  git checkout FORMER-COMMIT && docker compose build
  $PWD/scripts/restore.sh $folder && docker compose up --detach --wait
TEXT
  exit 1
}

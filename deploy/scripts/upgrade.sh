#!/bin/sh
# Take the stack to the versions of this checkout: a backup, new images, new tables, new containers.
#   git pull && upgrade.sh BACKUP-FOLDER
# To go back: check the former commit out, `docker compose up -d --build`, restore.sh BACKUP-FOLDER.
set -eu
folder=${1:?usage: upgrade.sh BACKUP-FOLDER}
case $folder in /*) ;; *) folder=$PWD/$folder ;; esac
cd "$(dirname "$0")/.."
scripts/backup.sh "$folder"
docker compose build --pull
docker compose stop tracking
# shellcheck disable=SC2016  # expanded inside the container
docker compose run --rm -T --entrypoint /bin/sh tracking -c \
  'mlflow db upgrade "postgresql+psycopg://mlflow:$(cat /run/secrets/database_password)@postgres/mlflow"'
docker compose up --detach --wait

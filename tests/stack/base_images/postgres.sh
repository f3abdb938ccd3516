#!/bin/sh
# What the entry point of Docker Hub's image does, as far as deploy/compose.yaml uses it.
set -eu
if ! test -s "$PGDATA/PG_VERSION"; then
  initdb --username postgres --pwfile "$POSTGRES_PASSWORD_FILE"
  echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
  pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start
  for hook in /docker-entrypoint-initdb.d/*.sh; do sh "$hook"; done
  pg_ctl -D "$PGDATA" -m fast -w stop
fi
exec postgres -c listen_addresses='*'

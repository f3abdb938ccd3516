#!/bin/sh
# Run once by the image of PostgreSQL on an empty volume: a role and its databases.
set -eu
password=$(cat /run/secrets/database_password)
psql --set ON_ERROR_STOP=1 --set password="$password" <<'SQL'
CREATE ROLE mlflow LOGIN PASSWORD :'password';
CREATE DATABASE mlflow OWNER mlflow;
CREATE DATABASE mlflow_auth OWNER mlflow;
CREATE DATABASE labels OWNER mlflow;
SQL

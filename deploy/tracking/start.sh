#!/bin/sh
# Start the tracking server. Passwords come from files, so that no environment shows them.
set -eu

DATABASE_PASSWORD=$(cat "$DATABASE_PASSWORD_FILE")
MLFLOW_AUTH_ADMIN_PASSWORD=$(cat "$ADMIN_PASSWORD_FILE")
MLFLOW_FLASK_SERVER_SECRET_KEY=$(cat "$SECRET_KEY_FILE")
AWS_SECRET_ACCESS_KEY=$(cat "$S3_SECRET_KEY_FILE")
export MLFLOW_AUTH_ADMIN_PASSWORD MLFLOW_FLASK_SERVER_SECRET_KEY AWS_SECRET_ACCESS_KEY
export MLFLOW_AUTH_CONFIG_PATH="${TMPDIR:-/tmp}/basic_auth.ini"

server="mlflow:$DATABASE_PASSWORD@$DATABASE_HOST:${DATABASE_PORT:-5432}"
umask 077
# A password is hashed once in some seconds and worker, not for each of a model's 400 files.
# create-user.sh waits as long, so that a former password is refused when it ends.
cat > "$MLFLOW_AUTH_CONFIG_PATH" <<INI
[mlflow]
default_permission = ${DEFAULT_PERMISSION:-READ}
database_uri = postgresql+psycopg://$server/mlflow_auth
admin_username = admin
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = ${AUTH_CACHE_SECONDS:-5}
INI

# Read by the server from the environment: an argument would show the password in `ps`.
export MLFLOW_BACKEND_STORE_URI="postgresql+psycopg://$server/mlflow"
exec mlflow server \
  --artifacts-destination "s3://$BUCKET" \
  --app-name basic-auth \
  --host "${LISTEN:-0.0.0.0}" --port "${PORT:-5000}" \
  --workers "${WORKERS:-2}" \
  --allowed-hosts "$ALLOWED_HOSTS"

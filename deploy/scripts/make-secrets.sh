#!/bin/sh
# Make the secrets that are missing, each in a file of its own that only this user may read.
set -eu
cd "$(dirname "$0")/.."
umask 077
mkdir -p secrets
for name in database_admin_password database_password s3_secret_key tracking_admin_password \
  tracking_secret_key application_password grafana_admin_password; do
  test -s "secrets/$name" || od -An -N24 -tx1 /dev/urandom | tr -d ' \n' > "secrets/$name"
done
# A token of the application, made by `lunar-token` once the images are built: see docs/deploy.md.
test -e secrets/metrics_token || : > secrets/metrics_token
# Containers read them as other users; the folder keeps everybody else out.
chmod 0444 secrets/*

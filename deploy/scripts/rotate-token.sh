#!/bin/sh
# Give a caller of the application a new token, and revoke the one before when it is in place:
#   rotate-token.sh NAME --scope predict [--scope read]   prints the token of NAME-DATE
#   rotate-token.sh --revoke NAME-DATE                    ends an old one
# LUNAR_TOKEN is the command to use; by default it runs in the stack of compose.
set -eu
cd "$(dirname "$0")/.."
lunar_token() { ${LUNAR_TOKEN:-docker compose run --rm -T token} "$@"; }
if test "${1:-}" = --revoke; then
  lunar_token "${2:?usage: rotate-token.sh --revoke NAME-DATE}" --revoke
  exit
fi
name=${1:?usage: rotate-token.sh NAME --scope SCOPE}-$(date -u +%Y%m%dT%H%M%S)
shift
lunar_token "$name" "$@"
echo "This is the token of $name. When it is in use: rotate-token.sh --revoke OLD-NAME" >&2

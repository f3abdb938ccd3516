#!/bin/sh
# Add a user of the tracking server, or give one a new password:
#   create-user.sh NAME < password
# Reads TRACKING (default http://127.0.0.1:5000), ADMIN_PASSWORD_FILE, and AUTH_CACHE_SECONDS (5), for
# which the server's workers remember a former password: it is refused by all when this ends.
set -eu
name=${1:?usage: create-user.sh NAME < password}
tracking=${TRACKING:-http://127.0.0.1:5000}
admin=${ADMIN_PASSWORD_FILE:-$(dirname "$0")/../secrets/tracking_admin_password}
case $name in *[!A-Za-z0-9._-]*) echo "NAME takes letters, digits, '.', '_' and '-'." >&2; exit 2 ;; esac
IFS= read -r password || test -n "$password"
case $password in *[\"\\]*) echo "The password must not have a quote or a backslash." >&2; exit 2 ;; esac

ask() { # METHOD PATH: nothing secret is an argument, which `ps` would show
  printf 'user = "admin:%s"\ndata = "%s"\n' "$(cat "$admin")" \
    "{\\\"username\\\": \\\"$name\\\", \\\"password\\\": \\\"$password\\\"}" |
    curl --silent --output /dev/null --write-out '%{http_code}' --config - \
      --request "$1" --header 'Content-Type: application/json' "$tracking/api/2.0/mlflow/users/$2"
}

case $(ask POST create) in
  200) echo "Added $name." ;;
  400 | 409)
    status=$(ask PATCH update-password)
    test "$status" = 200 || { echo "The server answered $status." >&2; exit 1; }
    sleep $((${AUTH_CACHE_SECONDS:-5} + 1))
    echo "$name has the new password."
    ;;
  401 | 403) echo "The administrator's password in $admin is not the server's." >&2; exit 1 ;;
  *) echo "The tracking server at $tracking does not answer as it should." >&2; exit 1 ;;
esac

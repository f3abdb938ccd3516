#!/bin/sh
# Takes the call of deploy/seaweedfs/start.sh: a writable folder, a file of keys in JSON. A bucket
# named `status` answers the health check.
set -eu
for argument; do
  case $argument in
    -s3.port=*) port=${argument#*=} ;;
    -s3.config=*) python -m json.tool "${argument#*=}" > /dev/null ;;
    -dir=*) touch "${argument#*=}/.writable" ;;
  esac
done
(until wget -q -O /dev/null --method=PUT "http://127.0.0.1:$port/status"; do sleep 1; done) &
exec /opt/moto/bin/moto_server -H 0.0.0.0 -p "$port"

#!/bin/sh
# Start SeaweedFS as an S3 server that knows one pair of keys.
set -eu
umask 077
cat > /tmp/s3.json <<JSON
{"identities": [{"name": "mlflow",
  "credentials": [{"accessKey": "$AWS_ACCESS_KEY_ID", "secretKey": "$(cat /run/secrets/s3_secret_key)"}],
  "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}
JSON
exec weed server -dir=/store -ip=seaweedfs -ip.bind=0.0.0.0 -volume.max=0 -s3 -s3.port=8333 -s3.config=/tmp/s3.json

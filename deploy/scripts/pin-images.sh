#!/bin/sh
# Write the digest behind every image's tag into compose.yaml, the Dockerfiles and the manifests.
# Needs a connection to the registries. To take a newer image, change its tag and run this again.
set -eu
cd "$(dirname "$0")/.."
for file in compose.yaml images/Dockerfile.* kubernetes/*.yaml; do
  sed -nE 's/^ *(- )?image: ([^ @]+:[^ @]+).*$/\2/p; s/^FROM ([^ @]+:[^ @]+).*$/\1/p' "$file" | sort -u |
    while read -r image; do
      digest=$(docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$image")
      sed -i -E "s|$image(@sha256:[0-9a-f]{64})?|$image@$digest|" "$file"
      echo "$file: $image@$digest"
    done
done

#!/bin/sh
# List all that is inside our images, as SPDX: sbom.sh FOLDER
set -eu
folder=${1:?usage: sbom.sh FOLDER}
mkdir -p "$folder"
for image in lunar-models-app lunar-models-tracking; do
  docker run --rm -v /var/run/docker.sock:/var/run/docker.sock anchore/syft:v1.18.0 \
    "$image" --output spdx-json > "$folder/$image.spdx.json"
done

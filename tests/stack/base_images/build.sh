#!/bin/sh
# Make stand-ins, from Debian's packages, for the images of Docker Hub that deploy/ names: for a
# machine that reaches Debian and PyPI, and no registry of images. Then build our images as they are.
# Needs root and: apt-get install podman buildah runc netavark aardvark-dns mmdebstrap
set -eu
cd "$(dirname "$0")"
project=$(cd ../../.. && pwd)
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT

build() { # DOCKERFILE TAG FOLDER
  # The network, the certificates and pip's folder of wheels are the machine's; what packages write
  # beside the certificates (ssl-cert does) is not.
  podman build --runtime runc --format docker --network host --pull=never --quiet \
    --volume /etc/ssl/certs:/etc/ssl/certs:O ${PIP_FIND_LINKS:+--volume "$PIP_FIND_LINKS:$PIP_FIND_LINKS:ro"} \
    --build-arg BASE="$python" --file "$1" --tag "$2" "$3" > /dev/null
  echo "$2"
}
named() { # the image that deploy/ wants: REPOSITORY:TAG
  sed -nE "s#^(FROM| *image:) ($1:[^ @]+).*#\2#p" "$project"/deploy/compose.yaml "$project"/deploy/images/* | sort -u
}

python=docker.io/library/$(named python)
cp ./* "$context"
mmdebstrap --variant=minbase --include=python3,python3-venv,python3-pip,ca-certificates \
  bookworm "$context/debian.tar" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" 2> "$context/log" ||
  { cat "$context/log" >&2; exit 1; }
# An index that cannot be reached is left at once for PyPI.
printf '[global]\nextra-index-url = https://pypi.org/simple\nretries = 0\n%s\n' \
  "${PIP_FIND_LINKS:+find-links = $PIP_FIND_LINKS}" > "$context/pip.conf"

build "$context/python.Dockerfile" "$python" "$context"
build "$context/postgres.Dockerfile" "docker.io/library/$(named postgres)" "$context"
build "$context/caddy.Dockerfile" "docker.io/library/$(named caddy)" "$context"
build "$context/prometheus.Dockerfile" "docker.io/$(named prom/prometheus)" "$context"
build "$context/seaweedfs.Dockerfile" "docker.io/$(named chrislusf/seaweedfs)" "$context"
for name in seaweedfs tracking app; do
  build "$project/deploy/images/Dockerfile.$name" "lunar-models-$name" "$project"
done

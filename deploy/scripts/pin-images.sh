#!/bin/sh
# Write the digest behind every image's tag into compose.yaml, the Dockerfiles and the manifests.
#   pin-images.sh          write; to take a newer image, change its tag and run this again
#   pin-images.sh --check  write nothing; tell what is not pinned, or not to what the registry has
# Needs a connection to the registries and skopeo (`apt-get install skopeo`) or docker with buildx.
# Images of our own have no registry yet (no tag, or one at registry.example.org) and are left.
set -eu
check=${1:-}
cd "$(dirname "$0")/.."

digest_of() {
  if command -v skopeo > /dev/null; then
    skopeo inspect --no-tags --format '{{.Digest}}' "docker://$1"
  else
    docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$1"
  fi
}

images_of() {
  sed -nE 's/^ *(- )?image: ([^ @]+:[^ @]+).*$/\2/p; s/^FROM ([^ @]+:[^ @]+).*$/\1/p' "$1" |
    grep -v '^registry\.example\.org/' | sort -u
}

# All are looked up before anything is written: a registry that does not answer leaves all as it was.
files="compose.yaml $(echo images/Dockerfile.* kubernetes/*.yaml)"
pins=$(mktemp)
trap 'rm -f "$pins"' EXIT
for image in $(for file in $files; do images_of "$file" || true; done | sort -u); do
  digest=$(digest_of "$image")
  echo "$digest" | grep -qE '^sha256:[0-9a-f]{64}$' || {
    echo "$image: the registry answered no digest but '$digest'" >&2
    exit 1
  }
  echo "$image $digest" >> "$pins"
done

unpinned=0
while read -r image digest; do
  pattern=$(echo "$image" | sed 's/[.]/\\./g')
  for file in $files; do
    images_of "$file" | grep -qxF "$image" || continue
    if [ "$check" = --check ]; then
      grep -qE "$pattern@$digest( |\$)" "$file" && continue
      echo "$file: $image is not pinned to $digest"
      unpinned=1
    else
      sed -i -E "s#(image:|FROM) $pattern(@sha256:[0-9a-f]{64})?( |\$)#\1 $image@$digest\3#" "$file"
      echo "$file: $image@$digest"
    fi
  done
done < "$pins"
exit $unpinned

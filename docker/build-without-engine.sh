#!/usr/bin/env bash
# Builds the image from the Dockerfile where no container engine runs and no registry of images can be reached: the base
# images are made of Debian 13's packages and of the Node that `npm ci` has installed, under the names that the Dockerfile gives them, and
# buildah follows its instructions. For trying the Dockerfile; releases are built by .github/workflows/release.yml.
#
#     sudo docker/build-without-engine.sh [directory]
#
# Needs root, Debian or Ubuntu with `buildah` and `debootstrap`, and Debian's and npm's registries. Takes 3 to 10 minutes the
# first time; later runs use the base images of the directory again (default: build/image). Prints the name of the image, its
# size, and the directory into which it was unpacked.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(realpath -m "${1:-build/image}")
storage=(--root "$work/storage" --runroot "$work/run" --storage-driver vfs)
image=localhost/sallyport:built
# As the Dockerfile names them, with the registries that Docker adds.
node_image="docker.io/library/$(sed -n 's/^ARG NODE_IMAGE=//p' Dockerfile)"
runtime_image=$(sed -n 's/^ARG RUNTIME_IMAGE=//p' Dockerfile)
# What distroless puts into cc-debian13; the image has no package manager, so files are all there is of them.
runtime_packages=(base-files netbase tzdata libc6 libssl3t64 ca-certificates libgcc-s1 libstdc++6 gcc-14-base)

mkdir -p "$work"

# Names a directory as an image. The rest of the arguments set its configuration.
commit() { # directory name [options of buildah config …]
  local container
  container=$(buildah "${storage[@]}" from scratch)
  buildah "${storage[@]}" add --quiet "$container" "$1" / > /dev/null
  buildah "${storage[@]}" config "${@:3}" "$container"
  buildah "${storage[@]}" commit --quiet --rm "$container" "$2" > /dev/null
}

if [ ! -d "$work/debian" ]; then
  debootstrap --variant=minbase --include=ca-certificates trixie "$work/debian.part" http://deb.debian.org/debian > "$work/debootstrap.log"
  mv "$work/debian.part" "$work/debian"
fi

if ! buildah "${storage[@]}" inspect --type image "$node_image" > /dev/null 2>&1; then
  echo "making $node_image"
  rm -rf "$work/node"
  cp -a "$work/debian" "$work/node"
  chroot "$work/node" sh -c 'apt-get update -q && apt-get install -yq --no-install-recommends libatomic1' > /dev/null
  install -m 0755 "$(readlink -f node_modules/node/bin/node)" "$work/node/usr/local/bin/node"
  mkdir -p "$work/node/usr/local/lib/node_modules"
  cp -a "$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")" "$work/node/usr/local/lib/node_modules/npm"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$work/node/usr/local/bin/npm"
  commit "$work/node" "$node_image" --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  rm -rf "$work/node"
fi

if ! buildah "${storage[@]}" inspect --type image "$runtime_image" > /dev/null 2>&1; then
  echo "making $runtime_image"
  rm -rf "$work/runtime" "$work/debian/packages"
  mkdir -p "$work/runtime" "$work/debian/packages"
  chroot "$work/debian" sh -c 'apt-get update -q && cd /packages && apt-get download -q -o APT::Sandbox::User=root "$@"' sh "${runtime_packages[@]}" > /dev/null
  for package in "$work"/debian/packages/*.deb; do dpkg-deb -x "$package" "$work/runtime"; done
  # As distroless does.
  rm -rf "$work"/runtime/usr/share/{doc,man,locale,lintian}
  mkdir -p "$work/runtime/etc/ssl/certs" "$work/runtime/home/nonroot"
  cp "$work/debian/etc/ssl/certs/ca-certificates.crt" "$work/runtime/etc/ssl/certs/"
  printf 'root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' > "$work/runtime/etc/passwd"
  printf 'root:x:0:\nnobody:x:65534:\nnonroot:x:65532:\n' > "$work/runtime/etc/group"
  chown 65532:65532 "$work/runtime/home/nonroot"
  commit "$work/runtime" "$runtime_image" --user 65532 --workingdir /home/nonroot \
    --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --env SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
  rm -rf "$work/runtime"
fi

# The user's npm settings, which may name a mirror, and the certificates this machine trusts. Mounted files are in no layer.
cp "$HOME/.npmrc" "$work/npmrc" 2> /dev/null || : > "$work/npmrc"
printf '\ncafile=/etc/npm-ca.crt\n' >> "$work/npmrc"
mounts=(
  --volume "$work/npmrc:/root/.npmrc:ro"
  --volume "${NODE_EXTRA_CA_CERTS:-/etc/ssl/certs/ca-certificates.crt}:/etc/npm-ca.crt:ro"
)
# Older buildahs do not know this option of HEALTHCHECK.
sed 's/ --start-interval=[^ ]*//' Dockerfile > "$work/Dockerfile"
buildah "${storage[@]}" build --file "$work/Dockerfile" --isolation chroot --pull=never --network host --format docker "${mounts[@]}" \
  --build-arg REVISION="$(git rev-parse HEAD)" --tag "$image" .

container=$(buildah "${storage[@]}" from --pull=never "$image")
mounted=$(buildah "${storage[@]}" mount "$container")
rm -rf "$work/root"
cp -a "$mounted" "$work/root"
buildah "${storage[@]}" inspect --type image "$image" > "$work/image.json"
buildah "${storage[@]}" rm "$container" > /dev/null
echo "image: $image"
echo "size: $(du -sm --apparent-size "$work/root" | cut -f1) MB, Node $(du -sm --apparent-size "$work/root/usr/local/bin/node" | cut -f1) MB of it"
echo "unpacked: $work/root"

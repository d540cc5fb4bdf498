# Node, the built program and its production dependencies, on a base without a shell or a package manager.
#
#     docker build --tag sallyport --build-arg REVISION="$(git rev-parse HEAD)" .
#     docker run --rm --read-only --cap-drop ALL -p 8080:8080 -v "$PWD/config:/etc/sallyport/config:ro" sallyport
#
# To use another configuration file, set SALLYPORT_CONFIG rather than --config: HEALTHCHECK and `sallyport` in the
# container read it too.
#
# The base images are named by tag, and tags move. The release workflow pins both to the digests that the tags have when
# it runs; do the same for an image of your own: `--build-arg RUNTIME_IMAGE=…@sha256:…`.

# The Node that the tests run on: devDependencies.node.
ARG NODE_IMAGE=node:26.10.0-trixie-slim
# Debian 13 like the build image, so Node gets the C library it was tested with; plus libstdc++, libgcc, CA certificates,
# time zones and a user 65532. distroless/nodejs26 would bring whatever patch version is current, and a proxy must not get
# another HTTP parser without a decision.
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian13:nonroot

FROM ${NODE_IMAGE} AS build
WORKDIR /build
COPY --chown=0:0 package.json package-lock.json .npmrc ./
# No dependency needs its install script here: the only one downloads a Node, and this image has one.
# The workspaces are for services behind the gateway, not for the image.
RUN npm ci --ignore-scripts --workspaces=false --no-audit --no-fund
COPY --chown=0:0 tsconfig.json tsconfig.build.json ./
COPY --chown=0:0 scripts ./scripts
COPY --chown=0:0 src ./src
RUN npm run build && npm prune --omit=dev --ignore-scripts --workspaces=false --no-audit --no-fund
# Node loads libatomic since version 25, and the runtime image does not have it. A test in test/shipping compares the
# libraries that Node loads with those in the image.
RUN mkdir /runtime && cp -L "$(ldd /usr/local/bin/node | awk '$1 == "libatomic.so.1" { print $3 }')" /runtime/

FROM ${RUNTIME_IMAGE} AS final
# The commit, for `sallyport version` and the metric build_info.
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Sallyport" \
      org.opencontainers.image.description="Edge authentication gateway: a session cookie goes in, a two-minute JWT goes upstream." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}"
# Root owns everything, so the process cannot change its own program. Node is the unmodified official binary, so scanners
# recognize its checksum.
COPY --from=build --chown=0:0 /usr/local/bin/node /usr/local/bin/node
COPY --from=build --chown=0:0 /runtime/libatomic.so.1 /usr/lib/libatomic.so.1
COPY --from=build --chown=0:0 /build/node_modules /app/node_modules
COPY --from=build --chown=0:0 /build/dist /app/dist
COPY --chown=0:0 LICENSE package.json /app/
COPY --chown=0:0 --chmod=0755 docker/sallyport /usr/local/bin/sallyport
ENV NODE_ENV=production \
    SALLYPORT_REVISION=${REVISION} \
    SALLYPORT_CONFIG=/etc/sallyport/config/sallyport.yaml
# By number, so that Kubernetes can tell that it is not root.
USER 65532:65532
WORKDIR /app
EXPOSE 8080 9090
STOPSIGNAL SIGTERM
# Asks the admin listener of SALLYPORT_CONFIG. Kubernetes ignores HEALTHCHECK: it has probes.
HEALTHCHECK --interval=30s --timeout=3s --start-period=10s --start-interval=1s --retries=3 \
    CMD ["/usr/local/bin/node", "/app/dist/main.js", "health"]
ENTRYPOINT ["/usr/local/bin/node", "/app/dist/main.js"]
CMD ["start"]

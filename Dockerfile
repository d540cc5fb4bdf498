# The image: Node, the built program and its production dependencies on a base without shell and package manager.
#
#     docker build --tag sallyport --build-arg REVISION="$(git rev-parse HEAD)" .
#     docker run --rm --read-only --cap-drop ALL -p 8080:8080 -v "$PWD/config:/etc/sallyport/config:ro" sallyport
#
# Base images are named by tag. Tags move: for a release, pin both by the digest that
# `docker buildx imagetools inspect <image>` prints (`--build-arg RUNTIME_IMAGE=…@sha256:…`). There are none here because
# a digest that was not looked up is worth nothing.

# The Node that the tests run with: devDependencies.node.
ARG NODE_IMAGE=node:26.10.0-trixie-slim
# Debian 13 like the image above, so Node meets the C library that it was tried with: libc, libstdc++, libgcc, CA
# certificates, time zones and a user 65532. Not distroless/nodejs26, which comes in whatever patch version is current:
# a proxy is not to change its HTTP parser without somebody deciding it.
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian13:nonroot

FROM ${NODE_IMAGE} AS build
WORKDIR /build
COPY --chown=0:0 package.json package-lock.json .npmrc ./
# No dependency needs its install script here; the one that has one fetches a Node, and this image has it.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY --chown=0:0 tsconfig.json tsconfig.build.json ./
COPY --chown=0:0 scripts ./scripts
COPY --chown=0:0 src ./src
RUN npm run build && npm prune --omit=dev --ignore-scripts --no-audit --no-fund
# Since version 25 Node loads libatomic, which the runtime image does not have. The test in test/shipping compares what
# Node loads with what is here.
RUN mkdir /runtime && cp -L "$(ldd /usr/local/bin/node | awk '$1 == "libatomic.so.1" { print $3 }')" /runtime/

FROM ${RUNTIME_IMAGE} AS final
# The commit, for `sallyport version` and the metric build_info.
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Sallyport" \
      org.opencontainers.image.description="Edge authentication gateway: a session cookie goes in, a two-minute JWT goes upstream." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}"
# All of it belongs to root: the process can change nothing of its own program. The official binary as it is, so that
# scanners know it by its checksum.
COPY --from=build --chown=0:0 /usr/local/bin/node /usr/local/bin/node
COPY --from=build --chown=0:0 /runtime/libatomic.so.1 /usr/lib/libatomic.so.1
COPY --from=build --chown=0:0 /build/node_modules /app/node_modules
COPY --from=build --chown=0:0 /build/dist /app/dist
COPY --chown=0:0 LICENSE package.json /app/
ENV NODE_ENV=production \
    SALLYPORT_REVISION=${REVISION} \
    SALLYPORT_CONFIG=/etc/sallyport/config/sallyport.yaml
# By number, so that Kubernetes can tell that it is not root.
USER 65532:65532
WORKDIR /app
EXPOSE 8080 9090
STOPSIGNAL SIGTERM
# Asks the admin listener of the same configuration. Kubernetes does not look at this: it has probes.
HEALTHCHECK --interval=30s --timeout=3s --start-period=10s --start-interval=1s --retries=3 \
    CMD ["/usr/local/bin/node", "/app/dist/main.js", "health"]
ENTRYPOINT ["/usr/local/bin/node", "/app/dist/main.js"]
CMD ["start"]

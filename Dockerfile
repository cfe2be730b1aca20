# One image with all commands, see docs/images.md:
#
#     docker build -t clusterf .
#     docker run … clusterf clusterf-ipvs --config-source …
#
# Works with BuildKit and with the builder before it.

# Node, the shell and their libraries are taken from here, and nothing else of it gets into the image.
ARG BASE=node:20-bookworm-slim

FROM ${BASE} AS build
RUN command -v setcap >/dev/null \
  || { apt-get update && apt-get install --no-install-recommends --yes libcap2-bin; }
WORKDIR /src
COPY . .
# Anything but nothing: take the bundles that `npm run build` has made in this checkout, and ask no network.
ARG PREBUILT=
RUN packages/cli/image/bundles.sh "${PREBUILT}" && packages/cli/image/root.sh /image && mkdir /state

FROM scratch
COPY --from=build /image/system /
COPY --from=build /image/commands /
# Named by number, so that whoever wants no root can see that this is none.
COPY --from=build --chown=65532:65532 /state /run/clusterf
USER 65532:65532
HEALTHCHECK --interval=15s --timeout=30s --start-period=10s CMD ["node", "/usr/lib/clusterf/healthcheck.cjs"]
CMD ["clusterf", "--help"]

ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="clusterf" \
  org.opencontainers.image.description="Containers published on virtual addresses, balanced by the kernel" \
  org.opencontainers.image.licenses="MIT" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}"

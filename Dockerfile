# The program and nothing else: docker build -t pinhole . && docker run --rm -v "$PWD:/work:ro" pinhole check
FROM rust:1-alpine AS build
# git for the image with a shell; musl-dev for the C runtime that Rust links.
RUN apk add --no-cache musl-dev
WORKDIR /source
COPY . .
ARG PINHOLE_COMMIT=
ENV PINHOLE_COMMIT=$PINHOLE_COMMIT CARGO_PROFILE_RELEASE_LTO=thin CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1
RUN cargo build --release --locked && cp target/release/pinhole /pinhole

# With a shell and git, for CI: docker build --target ci -t pinhole:ci .
FROM alpine:3 AS ci
RUN apk add --no-cache git
COPY --from=build /pinhole /usr/local/bin/pinhole
WORKDIR /work
ENTRYPOINT ["pinhole"]

FROM scratch
COPY --from=build /pinhole /pinhole
WORKDIR /work
ENTRYPOINT ["/pinhole"]

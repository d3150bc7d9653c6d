# Highwater in a container: `docker build -t highwater .`, README.
#
# Both bases can be others of the same Debian: --build-arg RUST_IMAGE=..., --build-arg BASE_IMAGE=...
ARG RUST_IMAGE=docker.io/library/rust:1.95-slim-bookworm
ARG BASE_IMAGE=docker.io/library/debian:bookworm-slim

FROM ${RUST_IMAGE} AS build
WORKDIR /src
COPY . .
# Without line tables, which are three quarters of the file.
RUN CARGO_PROFILE_RELEASE_DEBUG=false cargo build --locked --release --bin highwater

FROM ${BASE_IMAGE}
# Nobody's name elsewhere: files of a mounted directory must belong to 1000.
RUN echo 'highwater:x:1000:' >> /etc/group \
    && echo 'highwater:x:1000:1000::/var/lib/highwater:/usr/sbin/nologin' >> /etc/passwd \
    && mkdir -p /var/lib/highwater && chown 1000:1000 /var/lib/highwater
COPY --from=build /src/target/release/highwater /usr/local/bin/highwater
# Whom to trust, for https to an object store: the base has none, and a client of S3 is not made without.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
USER 1000:1000
# KAFKA_* and HIGHWATER_* variables are settings, as in the apache/kafka image: KAFKA_LOG_RETENTION_MS is
# log.retention.ms. What is advertised is the port that `docker run -p 9092:9092` opens; others set it.
ENV KAFKA_LOG_DIRS=/var/lib/highwater \
    KAFKA_LISTENERS=PLAINTEXT://0.0.0.0:9092 \
    KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://localhost:9092 \
    HIGHWATER_ADMIN_LISTENER=http://0.0.0.0:9644
VOLUME /var/lib/highwater
EXPOSE 9092 9644
# /readyz, by bash, since the base has no HTTP client. Ready within some tens of milliseconds.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9644 && printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3 && read -r line <&3 && [[ $line == *' 200 '* ]]"]
# SIGTERM ends it in good order.
ENTRYPOINT ["/usr/local/bin/highwater"]

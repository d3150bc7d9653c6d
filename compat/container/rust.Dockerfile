# Stands for Rust's official slim image: Debian with what that adds, and the compiler laid in where PATH finds it.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
RUN apt-get update -q && apt-get install -q -y --no-install-recommends ca-certificates gcc libc6-dev
ENV PATH=/usr/local/rust/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin CARGO_HOME=/usr/local/cargo

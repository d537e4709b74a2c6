# The image of every role: `journeyd run`, `serve`, `worker`, `dispatcher`, and the command line for jobs.
# docker build -t journeyd:0.1.0 .
#
# durable-rules has no wheel and is compiled in the first stage; nothing that compiles is left in the second. Python is
# 3.12 because durable-rules cannot be imported on 3.13.
FROM python:3.12.11-slim-bookworm AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev \
 && rm -rf /var/lib/apt/lists/* \
 && pip install --no-cache-dir uv==0.13.9
ENV UV_PROJECT_ENVIRONMENT=/opt/journeyd \
    UV_PYTHON_DOWNLOADS=never \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1
WORKDIR /src
# What the lock says first: a change to our own code leaves this layer alone.
COPY pyproject.toml uv.lock README.md LICENSE ./
RUN uv sync --frozen --no-default-groups --extra kafka --extra postgres --extra rules --no-install-project
COPY engine engine
COPY journeys journeys
COPY channels channels
COPY config config
RUN uv sync --frozen --no-default-groups --extra kafka --extra postgres --extra rules --no-editable \
 && /opt/journeyd/bin/journeyd version

FROM python:3.12.11-slim-bookworm
LABEL org.opencontainers.image.title="journeyd" org.opencontainers.image.licenses="Apache-2.0"
# A number and no name: Kubernetes' runAsNonRoot can only judge numbers.
RUN groupadd --gid 10001 journeyd \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin journeyd \
 && install -d -o 10001 -g 10001 -m 0700 /var/lib/journeyd \
 && install -d -m 0755 /workspace
COPY --from=build /opt/journeyd /opt/journeyd
# Nothing is written outside of /var/lib/journeyd and the folder for temporary files: the root may be read-only.
ENV PATH=/opt/journeyd/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    JOURNEYD_DATA=/var/lib/journeyd
WORKDIR /workspace
USER 10001:10001
EXPOSE 8025
STOPSIGNAL SIGTERM
# No shell between: the process is number 1 and gets SIGTERM itself.
ENTRYPOINT ["journeyd"]
CMD ["run", "--log-format", "json"]

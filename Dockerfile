# One image for every part: docker build -t latchkey . && docker run latchkey --help
ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS build
WORKDIR /build
COPY requirements.lock requirements-dev.lock ./
# The build tools are locked as well, and stay out of the image.
RUN python3 -m venv tools \
 && python3 -m venv --without-pip /opt/latchkey \
 && awk '/^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/, !/\\$/' requirements-dev.lock > tools.lock \
 && tools/bin/pip install --no-cache-dir --require-hashes -r tools.lock \
 && tools/bin/pip --python /opt/latchkey/bin/python install --no-cache-dir --require-hashes --only-binary :all: -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY domain domain
COPY application application
COPY adapters adapters
COPY entrypoints entrypoints
COPY migrations migrations
RUN tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
 && tools/bin/pip --python /opt/latchkey/bin/python install --no-deps --no-index dist/*.whl

FROM ${BASE}
# Process 1 ignores a signal that it has no handler for, as Python has none while it starts. tini passes it on.
RUN apt-get update && apt-get install -y --no-install-recommends tini && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin latchkey \
 && install -d -o 10001 -g 10001 -m 700 /keys
COPY --from=build /opt/latchkey /opt/latchkey
ENV PATH=/opt/latchkey/bin:$PATH LATCHKEY_ENV=production LATCHKEY_HOST=0.0.0.0 LATCHKEY_SIGNING_KEYS=/keys
USER 10001:10001
EXPOSE 8000
# Of the API; switch it off for other parts. Liveness, not readiness: a restart does not repair a database.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["python", "-c", "\
import http.client as h, os; c = h.HTTPConnection('127.0.0.1', int(os.environ.get('LATCHKEY_PORT', 8000)), timeout=3); \
c.request('GET', '/health/live'); exit(c.getresponse().status != 200)"]
# The root file system may be read-only. Several API processes share their metrics through a writable /tmp.
ENTRYPOINT ["tini", "--", "latchkey"]
CMD ["api"]

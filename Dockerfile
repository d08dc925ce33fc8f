# The image of server, operator and trial store: `docker build -t fluxrouter:dev .`
# Where there is no Docker engine, `make image` makes the same content (docs/cluster.md).

# Official images are built with a shared libpython, without which Envoy cannot run Python.
ARG PYTHON=3.11.14-slim-bookworm

FROM python:${PYTHON} AS build
WORKDIR /src
COPY requirements.lock ./
RUN python -m venv .venv \
    && .venv/bin/pip install --no-cache-dir --require-hashes --no-deps -r requirements.lock
COPY . .
RUN .venv/bin/pip install --no-deps --no-build-isolation --editable . \
    && .venv/bin/python make/image_packages.py /image --python /usr/local/bin/python3.11

FROM python:${PYTHON}
RUN useradd --uid 65532 --create-home --home-dir /var/lib/fluxrouter --shell /sbin/nologin fluxrouter \
    && pip uninstall --yes --root-user-action=ignore pip setuptools wheel
COPY --from=build /image/ /
ENV PATH=/opt/fluxrouter/bin:/usr/local/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    PYTHONUNBUFFERED=1 \
    FLUXROUTER_DATA_DIR=/var/lib/fluxrouter
LABEL org.opencontainers.image.title=FluxRouter \
      org.opencontainers.image.licenses=Apache-2.0
USER 65532:65532
WORKDIR /var/lib/fluxrouter
ENTRYPOINT ["fluxrouter"]
CMD ["serve"]

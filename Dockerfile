# See docs/containers.md. `docker build --tag miso-upload .`
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY schemas schemas
COPY miso_upload miso_upload
RUN python -m venv /opt/miso-upload \
    && /opt/miso-upload/bin/python -m pip install --no-cache-dir --constraint constraints.txt '.[parquet,regex,remote,sandbox]' \
    && /opt/miso-upload/bin/python -m compileall -q /opt/miso-upload

FROM python:3.13-slim
RUN groupadd --gid 10001 miso-upload \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/miso-upload \
        --shell /usr/sbin/nologin miso-upload \
    && install --directory --owner 10001 --group 10001 --mode 700 /var/lib/miso-upload
COPY --from=build /opt/miso-upload /opt/miso-upload
ENV PATH=/opt/miso-upload/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    MISO_UPLOAD_STATE_DIR=/var/lib/miso-upload
# By number, so that Kubernetes can see that it is not root.
USER 10001:10001
WORKDIR /var/lib/miso-upload
# The ledger and content.key. Whatever else is written goes to /tmp or where options say.
VOLUME /var/lib/miso-upload
ENTRYPOINT ["miso-upload"]

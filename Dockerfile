# One image for every service; the command says which one a container is. See docker-compose.yml.

FROM python:3.13-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
# Without pip in it: what runs installs nothing.
RUN python -m venv --without-pip /opt/sd-b64
WORKDIR /build
# Wheels only: nothing is compiled, here or in the final stage.
COPY requirements.txt ./
RUN pip --python /opt/sd-b64/bin/python install --require-hashes --only-binary :all: -r requirements.txt \
    && find /opt/sd-b64 -type d -name tests -path '*/numpy/*' -prune -exec rm -r {} +
# What builds ours is locked as well, and is not in the final stage.
COPY requirements-build.txt ./
RUN pip install --require-hashes --only-binary :all: -r requirements-build.txt
COPY . .
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheel . \
    && pip --python /opt/sd-b64/bin/python install --no-deps --no-index /wheel/*.whl

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin sd-b64 \
    && install --directory --owner sd-b64 /data
COPY --from=build /opt/sd-b64 /opt/sd-b64
ENV PATH=/opt/sd-b64/bin:$PATH PYTHONUNBUFFERED=1 \
    HTTP_HOST=0.0.0.0 WS_HOST=0.0.0.0 PROMPT_FILE=/data/prompt.txt container=oci
USER sd-b64
EXPOSE 5000 8765
HEALTHCHECK --interval=20s --timeout=10s --start-period=30s --retries=3 CMD ["sd-b64", "health"]
# Open to anybody, as the original was; the start says so. API_KEY closes it, ALLOW_ANONYMOUS=false refuses.
CMD ["sh", "-c", "ALLOW_ANONYMOUS=${ALLOW_ANONYMOUS:-true} exec sd-b64 serve"]

# The application: answers for the champion over HTTP. Build it from the project's root:
#   docker build -f deploy/images/Dockerfile.app -t lunar-models-app .
FROM python:3.11.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /src
# torch first and alone: the layer stays while the code changes. The CPU build saves gigabytes.
RUN pip install --index-url https://download.pytorch.org/whl/cpu torch==2.13.0
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY lunar_models lunar_models
COPY serving serving
COPY steps steps
RUN pip install -c constraints.txt .

FROM python:3.11.11-slim-bookworm
# Libraries that wheels load and do not bring (rasterio, torch); slim images may lack them.
RUN apt-get update && apt-get install --yes --no-install-recommends libexpat1 libgomp1 \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 10001 --no-create-home --home-dir /tmp lunar \
    && mkdir /cache /tokens \
    && chown 10001:10001 /cache /tokens
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    OMP_WAIT_POLICY=passive \
    MLFLOW_ALLOW_PICKLE_DESERIALIZATION=false \
    LUNAR_SERVE_HOST=0.0.0.0 \
    LUNAR_SERVE_PORT=8080 \
    LUNAR_SERVE_CACHE=/cache
WORKDIR /tmp
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/ready', timeout=4)"]
CMD ["lunar-serve"]

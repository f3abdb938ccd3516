# In place of SeaweedFS, which no package registry has: moto's S3 server under the name `weed`.
ARG BASE
FROM $BASE
RUN apt-get update && apt-get install --yes --no-install-recommends wget
RUN python -m venv /opt/moto && /opt/moto/bin/pip install "moto[server]"
COPY --chmod=0555 weed.sh /usr/bin/weed
RUN mkdir --parents /data/filerldb2
VOLUME /data
ENTRYPOINT ["weed"]

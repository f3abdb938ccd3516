# In place of Docker Hub's prom/prometheus: Debian's, as the user `nobody`.
ARG BASE
FROM $BASE
RUN apt-get update && apt-get install --yes --no-install-recommends prometheus wget \
    && install --directory --owner nobody --group nogroup /prometheus
USER nobody
ENTRYPOINT ["prometheus"]

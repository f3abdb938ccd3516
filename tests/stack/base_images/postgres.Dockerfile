# In place of Docker Hub's postgres: Debian's PostgreSQL, user 999, the same variables and hooks.
ARG BASE
FROM $BASE
RUN groupadd --gid 999 postgres && useradd --uid 999 --gid 999 --home-dir /var/lib/postgresql postgres \
    && apt-get update && apt-get install --yes --no-install-recommends postgresql \
    && install --directory --owner postgres --group postgres --mode 1777 /var/lib/postgresql/data
ENV PATH=/usr/lib/postgresql/15/bin:$PATH
COPY --chmod=0555 postgres.sh /usr/local/bin/
STOPSIGNAL SIGINT
ENTRYPOINT ["postgres.sh"]
# Podman puts an empty /run into a read-only container, over what is mounted below it.
RUN rm /var/run && install --directory --mode 1777 /var/run/postgresql

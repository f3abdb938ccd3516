# In place of Docker Hub's caddy: Debian's.
ARG BASE
FROM $BASE
RUN apt-get update && apt-get install --yes --no-install-recommends caddy wget ca-certificates
ENV XDG_CONFIG_HOME=/config XDG_DATA_HOME=/data
CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]

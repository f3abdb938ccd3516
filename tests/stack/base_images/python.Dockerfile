# In place of Docker Hub's python:3.11.11-slim-bookworm: Debian bookworm with its own Python 3.11.
FROM scratch
ADD debian.tar /
COPY pip.conf /etc/pip.conf
RUN ln -s python3 /usr/bin/python && rm /usr/lib/python3*/EXTERNALLY-MANAGED
ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8
CMD ["python3"]

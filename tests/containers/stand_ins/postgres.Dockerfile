FROM stand-in:services
ENV PGDATA=/var/lib/postgresql/data
RUN install --directory --owner=postgres --group=postgres --mode=0700 "$PGDATA" \
    && install --directory --owner=postgres --group=postgres --mode=3777 /run/postgresql
COPY postgres-entrypoint /usr/local/bin/postgres-entrypoint
USER postgres
VOLUME /var/lib/postgresql/data
ENTRYPOINT ["postgres-entrypoint"]

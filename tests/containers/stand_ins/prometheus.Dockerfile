FROM stand-in:services
RUN install --directory --owner=nobody --group=nogroup /prometheus
USER nobody
VOLUME /prometheus
ENTRYPOINT ["/bin/prometheus"]

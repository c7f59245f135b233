FROM stand-in:services
ENV XDG_CONFIG_HOME=/config XDG_DATA_HOME=/data
# As the official image has it: without this capability the program cannot even be started.
RUN setcap cap_net_bind_service=+ep /usr/bin/caddy
CMD ["caddy", "run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"]

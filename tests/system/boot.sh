#!/bin/bash
# Boots systemd as PID 1 in a directory, with a network of its own. Root only.
#   boot.sh ROOT NAMESPACE
# Prints "leader PID", the machine's PID 1, when the machine is up; stops it in good order at SIGTERM.
set -euo pipefail
root=$1 name=$2
# Its own ports: processes outside join with `ip netns exec`.
ip netns add "$name"
ip -n "$name" link set lo up
groups=("/sys/fs/cgroup/systemd/$name" "/sys/fs/cgroup/unified/$name")
for controller in memory pids; do # without these two, MemoryMax= and TasksMax= are ignored
    own=$(sed -n "s/^[0-9]*:$controller://p" /proc/self/cgroup)
    groups+=("/sys/fs/cgroup/$controller${own%/}/$name")
done
for group in "${groups[@]}"; do if [ -d "${group%/*}" ]; then mkdir "$group"; fi; done
(
    for group in "${groups[@]}"; do if [ -d "$group" ]; then echo $BASHPID >"$group/cgroup.procs"; fi; done
    exec setsid systemd-nspawn --quiet --boot --directory="$root" --machine="$name" --register=no --keep-unit \
        --network-namespace-path="/run/netns/$name" </dev/null >"$root.console" 2>&1
) &
nspawn=$!
end() {
    kill -TERM $nspawn 2>/dev/null && wait $nspawn || :
    ip netns del "$name"
    for group in "${groups[@]}"; do if [ -d "$group" ]; then find "$group" -depth -type d -exec rmdir {} \; ; fi; done
}
trap end EXIT
trap 'exit 0' TERM
for _ in $(seq 600); do
    leader=$(ps -o pid= --ppid $nspawn | tr -d ' ' || :)
    [ -n "$leader" ] && nsenter --target "$leader" --all systemctl is-system-running --wait >/dev/null 2>&1 && break
    kill -0 $nspawn
    sleep 0.1
done
nsenter --target "$leader" --all sh -ec '
    for each in memory pids; do if [ -d /sys/fs/cgroup/$each ]; then mount -o remount,bind,rw /sys/fs/cgroup/$each; fi; done
    systemctl daemon-reexec'
echo "leader $leader"
wait $nspawn

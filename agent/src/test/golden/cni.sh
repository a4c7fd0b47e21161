#!/bin/bash
# What the real plugins bridge, host-local and portmap say, for dev.sluice.api.cni: writes
# src/test/resources/cni/VERSION-{before,portmap}.json, the result before portmap and the one it prints.
# Needs root and containernetworking-plugins; works in namespaces of its own.
set -euo pipefail
out=$(readlink -f "$(dirname "$0")/../resources/cni")
host=slgolden-host container=slgolden-c1 data=$(mktemp -d)
trap 'ip netns del $host; ip netns del $container; rm -rf "$data"' EXIT
ip netns add $host
ip netns add $container
export CNI_CONTAINERID=golden CNI_NETNS=/run/netns/$container CNI_IFNAME=eth0 CNI_PATH=/usr/lib/cni
plugin() { CNI_COMMAND=$1 ip netns exec $host /usr/lib/cni/"$2"; }
portmap() { # VERSION RESULT
  echo '{"cniVersion":"'"$1"'","name":"golden","type":"portmap","prevResult":'"$2"',
    "runtimeConfig":{"portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"tcp"}]}}' |
    plugin ADD portmap
}
for version in 0.3.0 0.3.1 0.4.0 1.0.0; do
  bridge='{"cniVersion":"'$version'","name":"golden","type":"bridge","bridge":"cni0","isGateway":true,
    "ipam":{"type":"host-local","dataDir":"'$data'","ranges":[[{"subnet":"10.88.0.0/16"}],
    [{"subnet":"fd00:88::/64"}]],"routes":[{"dst":"0.0.0.0/0"},{"dst":"::/0"}]}}'
  plugin ADD bridge <<<"$bridge" >"$out/$version-before.json"
  portmap $version "$(cat "$out/$version-before.json")" >"$out/$version-portmap.json"
  plugin DEL bridge <<<"$bridge"
done
# Everything a result can have, and what it cannot have in this version.
cat >"$out/rich-before.json" <<'RICH'
{"cniVersion":"1.0.0","unknown":1,
 "interfaces":[{"name":"host0"},{"name":"eth0","mac":"02:42:ac:11:00:02","sandbox":"/run/netns/a",
   "mtu":1400,"socketPath":"/run/s","pciID":"0000:00:01.0"}],
 "ips":[{"address":"192.0.2.9/24","interface":0},{"address":"10.1.2.3/8","gateway":"10.0.0.1","interface":1},
   {"address":"fd00::3/64"},{"address":"10.1.2.4/8","interface":1}],
 "routes":[{"dst":"10.9.0.0/16","gw":"10.0.0.7","mtu":1300,"advmss":1260,"priority":7,"table":5,"scope":253}],
 "dns":{"nameservers":["10.0.0.53"],"domain":"example.org","search":["a.example.org"],"options":["ndots:2"]}}
RICH
portmap 1.0.0 "$(cat "$out/rich-before.json")" >"$out/rich-portmap.json"

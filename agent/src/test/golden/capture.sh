#!/bin/bash
# Captures the netlink datagrams that real nft, conntrack and ip exchange with the kernel into ../resources/golden.
# The tests of the wire packages compare our encoders and decoders with these bytes.
#
# usage: capture.sh [REGEX]   as root; only the captures whose name matches, all without
#        Captures of route build on one another: take all of 'route/'.
# needs: nftables, conntrack, iproute2, strace, linux-libc-dev (names for the comments), python3
#
# Works in network namespaces of its own, gone at the end. Sequence numbers, ports, handles, timestamps differ from run
# to run; everything else should not. The format is described in decode.py.
set -u
cd "$(dirname "$0")" || exit 1
only=${1:-.}
out=../resources/golden
tmp=$(mktemp -d)
: >"$tmp/printed" # what nft printed, where that is wanted
: >"$tmp/debug" # what nft --debug=netlink says of a rule, one expression a line
ns=slt-$$-0-golden
peer=slt-$$-1-golden-peer
cleanup() {
	for n in "$ns" "$peer"; do ip netns del "$n" 2>/dev/null; done
	rm -rf "$tmp"
}
trap cleanup EXIT
die() { echo "$*" >&2; exit 1; }
failures=0
failed() { echo "$*" >&2; failures=$((failures + 1)); }
[ "$(id -u)" = 0 ] || die "capture.sh needs root"
for program in nft conntrack ip bridge strace; do
	command -v $program >/dev/null || die "capture.sh needs $program"
done

in_ns() { ip netns exec "$ns" "$@"; }
trace() { in_ns strace -f -yy -s 8 -e trace=sendmsg,sendto,recvmsg,recvfrom -e read=all -e write=all -o "$tmp/trace" "$@"; }
version_of() {
	case $1 in
	nft) nft --version ;;
	conntrack | ./liberal.py) conntrack --version ;;
	*) ip -V ;;
	esac
}
# store NAME KEEP EXIT-STATUS COMMAND... : header and datagrams into NAME.hex; the input is in $tmp/input
store() {
	local name=$1 keep=$2 status=$3
	shift 3
	mkdir -p "$(dirname "$out/$name")"
	{
		echo "# command: $*"
		[ ! -s "$tmp/input" ] || printf '%s\n' "$(<"$tmp/input")" | sed "s/^/# ${input_is:-input}: /"
		echo "# exit: $status"
		sed 's/^/# says: /' "$tmp/stderr"
		sed 's/^/# debug: /' "$tmp/debug"
		sed 's/^/# printed: /' "$tmp/printed"
		echo "# version: $(version_of "$1"), Linux $(uname -r)"
		/usr/bin/python3 -IS decode.py "$tmp/trace" "$keep"
	} >"$tmp/file" || {
		failed "$name: nothing captured"
		return
	}
	mv "$tmp/file" "$out/$name.hex"
	count=$((count + 1))
}
count=0
wanted() { [[ $1 =~ $only ]]; }

# capture NAME KEEP COMMAND... : runs it, with $input as its input
input=""
capture() {
	local name=$1 keep=$2 status
	shift 2
	wanted "$name" || return 0
	printf '%s' "$input" >"$tmp/input"
	trace "$@" <"$tmp/input" >"$tmp/stdout" 2>"$tmp/stderr"
	status=$?
	[ -z "${keep_output:-}" ] || mv "$tmp/stdout" "$tmp/printed"
	[ $status = 0 ] || [ -n "${may_fail:-}" ] || {
		failed "$name: '$*' failed: $(cat "$tmp/stderr")"
		return
	}
	store "$name" "$keep" $status "$@"
	: >"$tmp/printed"
}
# batch NAME SCRIPT : the transaction that an nft script becomes
batch() { input=$2 capture "nftables/$1" exchange:NFNL_MSG_BATCH_BEGIN nft -f -; }
# rule NAME CHAIN RULE : one rule into table inet t, and how nft itself writes its expressions
rule() {
	printf 'add rule inet t %s %s\n' "$2" "$3" >>"$tmp/rules"
	in_ns nft --check --debug=netlink "add rule inet t $2 $3" 2>/dev/null | sed -n 's/^  \[ \(.*\) \]$/\1/p' >"$tmp/debug"
	batch "rule-$1" "add rule inet t $2 $3"
	: >"$tmp/debug"
}
nft_load() { in_ns nft -f - || die "setup failed"; }

# monitor NAME COMMAND... : starts an event listener; 'monitored' ends it and stores what came
monitor() {
	monitored_name=$1
	shift
	monitored_command=("$@")
	: >"$tmp/trace"
	in_ns strace -f -yy -s 8 -e trace=sendmsg,sendto,recvmsg,recvfrom -e read=all -e write=all -o "$tmp/trace" "$@" >"$tmp/events" 2>/dev/null &
	monitor_pid=$!
	sleep 0.6
}
monitored() { # DESCRIPTION of what was done meanwhile
	sleep 0.4
	# The shell's child is strace, and strace's is the listener: it goes first, for strace to write everything down.
	local leaf=$monitor_pid children
	while children=$(cat /proc/$leaf/task/$leaf/children) && [ -n "$children" ]; do leaf=${children%% *}; done
	kill -TERM "$leaf"
	wait $monitor_pid 2>/dev/null
	printf '%s' "$1" >"$tmp/input"
	: >"$tmp/stderr"
	input_is=meanwhile store "$monitored_name" events 0 "${monitored_command[@]}"
}

for n in "$ns" "$peer"; do
	ip netns add "$n" || exit 1
	ip netns exec "$n" sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 \
		net.ipv6.conf.default.router_solicitations=0
	ip -n "$n" link set lo up
done

# ============================================================================== nftables: tables and chains
batch table-add 'add table inet t'
batch table-add-dormant 'add table inet d { flags dormant; }'
batch table-add-owner 'add table inet o { flags owner; }'
batch table-add-comment 'add table inet c { comment "published ports"; }'
in_ns nft 'add table inet t; add chain inet t c'
batch table-delete 'delete table inet t'
nft_load <<<'add table inet t'
batch chain-add 'add chain inet t plain'
batch chain-add-filter-raw 'add chain inet t raw { type filter hook prerouting priority raw; policy accept; }'
batch chain-add-filter-drop 'add chain inet t forward { type filter hook forward priority filter; policy drop; }'
batch chain-add-filter-input 'add chain inet t input { type filter hook input priority 10; }'
batch chain-add-nat-prerouting 'add chain inet t prerouting { type nat hook prerouting priority dstnat; policy accept; }'
batch chain-add-nat-output 'add chain inet t output { type nat hook output priority -100; policy accept; }'
batch chain-add-nat-postrouting 'add chain inet t postrouting { type nat hook postrouting priority srcnat; policy accept; }'
batch chain-add-ingress 'add chain inet t ingress { type filter hook ingress device lo priority 0; }'
batch chain-flush 'flush chain inet t plain'
batch chain-delete 'delete chain inet t plain'
may_fail=1 batch error-no-chain 'add rule inet t nowhere ip saddr 192.0.2.1 accept'
may_fail=1 batch error-no-table 'delete table inet nowhere'
may_fail=1 batch error-chain-exists 'create chain inet t raw'

# =============================================================================== nftables: sets and elements
set_() { batch "set-$1" "add set inet t s_${1//-/_} $2"; }
map_() { batch "map-$1" "add map inet t m_${1//-/_} $2"; }
set_ ifname '{ type ifname; }'
set_ ifname-pair '{ type ifname . ifname; }'
set_ ipv4 '{ type ipv4_addr; }'
set_ concat '{ type ipv4_addr . inet_proto . inet_service; }'
set_ concat6 '{ type ipv6_addr . inet_proto . inet_service; }'
set_ interval '{ type ipv4_addr; flags interval; }'
set_ interval-merged '{ type ipv4_addr; flags interval; auto-merge; }'
set_ concat-interval '{ type inet_proto . inet_service . ipv4_addr; flags interval; }'
set_ ifname-interval '{ type ifname . ipv4_addr; flags interval; }'
set_ connlimit '{ type inet_proto . inet_service; ct count over 1000000; }'
set_ counter '{ type ipv4_addr; counter; }'
set_ dynamic '{ type ipv4_addr . inet_proto . inet_service; flags dynamic; size 65535; }'
set_ dynamic-timeout '{ type ipv4_addr; flags dynamic, timeout; timeout 60s; size 1024; }'
set_ timeout '{ type ipv4_addr; flags timeout; timeout 1h; gc-interval 5m; }'
set_ constant '{ type inet_service; flags constant; elements = { 80, 443 }; }'
set_ comment '{ type ipv4_addr; comment "who may"; }'
set_ typeof '{ typeof meta l4proto . th dport; }'
map_ address '{ type ipv4_addr : ipv4_addr; }'
map_ concat '{ type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }'
map_ concat6 '{ type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }'
map_ interval '{ type inet_service : ipv4_addr; flags interval; }'
map_ verdict '{ type inet_proto . inet_service : verdict; }'
map_ verdict-interval '{ type ipv4_addr : verdict; flags interval; }'
map_ verdict-ifname '{ type ifname : verdict; }'
map_ spread '{ typeof meta l4proto . th dport . numgen inc mod 16 : ip daddr . th dport; }'
map_ mark '{ type ipv4_addr : mark; }'

nft_load <<'END'
flush ruleset
table inet t {
	chain target { }
	set names { type ifname; }
	set name_pairs { type ifname . ifname; }
	set hosts { type ipv4_addr; }
	set counted { type ipv4_addr; counter; }
	set services { type ipv4_addr . inet_proto . inet_service; }
	set services6 { type ipv6_addr . inet_proto . inet_service; }
	set ranges { type ipv4_addr; flags interval; }
	set ranges6 { type ipv6_addr; flags interval; }
	set sources { type inet_proto . inet_service . ipv4_addr; flags interval; }
	set limits { type inet_proto . inet_service; ct count over 1000000; }
	set leases { type ipv4_addr; flags timeout; }
	map addresses { type ipv4_addr : ipv4_addr; }
	map targets { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
	map targets6 { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }
	map port_ranges { type inet_service : ipv4_addr; flags interval; }
	map verdicts { type inet_proto . inet_service : verdict; }
	map subnet_verdicts { type ipv4_addr : verdict; flags interval; }
	map slots { typeof meta l4proto . th dport . numgen inc mod 16 : ip daddr . th dport; }
}
END
element() { # NAME SET ELEMENTS : added, then deleted by key
	batch "element-add-$1" "add element inet t $2 { $3 }"
	wanted "nftables/element-add-$1" || in_ns nft "add element inet t $2 { $3 }"
	batch "element-delete-$1" "delete element inet t $2 { ${4:-$3} }"
	wanted "nftables/element-delete-$1" || in_ns nft "delete element inet t $2 { ${4:-$3} }"
}
element ipv4 hosts 192.0.2.1
element several hosts '192.0.2.1, 192.0.2.2, 192.0.2.3'
element ifname names br0
element ifname-pair name_pairs 'br0 . br1'
element concat services '198.18.0.1 . tcp . 8080'
element concat6 services6 '2001:db8::1 . udp . 53'
element comment hosts '192.0.2.9 comment "the printer"' 192.0.2.9
element counter counted '192.0.2.9 counter packets 5 bytes 400' 192.0.2.9
element timeout leases '192.0.2.9 timeout 90s' 192.0.2.9
element timeout-expires leases '192.0.2.9 timeout 90s expires 30s' 192.0.2.9
element connlimit limits 'tcp . 8101 ct count over 3' 'tcp . 8101'
element interval-prefix ranges 198.51.100.0/24
element interval-range ranges 192.0.2.10-192.0.2.20
element interval-one ranges 192.0.2.1
element interval-last ranges 255.255.255.0/24
element interval6-prefix ranges6 2001:db8:1::/48
element concat-interval sources 'tcp . 8100 . 198.18.0.0/16'
element concat-interval-range sources 'tcp . 8100-8110 . 198.18.0.2'
element map-address addresses '192.0.2.1 : 172.30.0.2' 192.0.2.1
element map-concat targets '198.18.0.77 . tcp . 8080 : 172.30.0.3 . 80' '198.18.0.77 . tcp . 8080'
element map-concat6 targets6 '2001:db8::77 . tcp . 8080 : fd30::3 . 80' '2001:db8::77 . tcp . 8080'
element map-concat-comment targets '198.18.0.77 . tcp . 8081 comment "web" : 172.30.0.3 . 80' '198.18.0.77 . tcp . 8081'
element map-range port_ranges '7000-7009 : 172.30.0.2' 7000-7009
element map-spread slots 'tcp . 9000 . 3 : 172.30.0.2 . 80' 'tcp . 9000 . 3'
element verdict-drop verdicts 'tcp . 80 : drop' 'tcp . 80'
element verdict-accept verdicts 'tcp . 80 : accept' 'tcp . 80'
element verdict-jump verdicts 'tcp . 80 : jump target' 'tcp . 80'
element verdict-goto verdicts 'tcp . 80 : goto target' 'tcp . 80'
element verdict-return verdicts 'tcp . 80 : return' 'tcp . 80'
element verdict-interval subnet_verdicts '172.30.0.0/24 : goto target' 172.30.0.0/24
batch set-flush 'flush set inet t hosts'
batch set-delete 'delete set inet t hosts'
batch map-delete 'delete map inet t addresses'
may_fail=1 batch error-no-element 'delete element inet t services { 192.0.2.7 . tcp . 7 }'
batch transaction 'add set inet t fresh { type ipv4_addr; }
add element inet t fresh { 192.0.2.1 }
add chain inet t fresh_chain
add rule inet t fresh_chain ip saddr @fresh drop
delete set inet t names'

# ========================================================================================= nftables: rules
nft_load <<'END'
flush ruleset
table inet t {
	map guests { type ipv4_addr : ipv4_addr; }
	set seen { type ipv4_addr; flags dynamic, timeout; size 1024; }
	set allowed { type ipv4_addr; }
	chain other { }
	chain forward { type filter hook forward priority filter; }
	chain raw { type filter hook prerouting priority raw; }
	chain input { type filter hook input priority filter - 10; }
	chain prerouting { type nat hook prerouting priority dstnat; }
	chain postrouting { type nat hook postrouting priority srcnat; }
}
END
for verdict in accept drop return 'jump other' 'goto other' continue; do rule "verdict-${verdict%% *}" forward "$verdict"; done
rule counter forward 'counter'
rule counter-preset forward 'counter packets 7 bytes 700 accept'
rule comment forward 'accept comment "why not"'
rule limit-rate forward 'limit rate 10/second burst 5 packets accept'
rule limit-rate-over forward 'limit rate over 100/minute drop'
rule limit-bytes forward 'limit rate 10 mbytes/second burst 1 mbytes accept'
may_fail=1 rule quota forward 'quota over 25 mbytes drop'
rule numgen-inc forward 'meta mark set numgen inc mod 16'
rule numgen-random forward 'meta mark set numgen random mod 16 offset 100'
rule jhash forward 'meta mark set jhash ip saddr . tcp sport mod 16 seed 0xdeadbeef'
rule symhash forward 'meta mark set symhash mod 4'
rule reject forward 'reject'
rule reject-tcp-reset forward 'reject with tcp reset'
rule reject-icmpx forward 'reject with icmpx type admin-prohibited'
rule reject-icmp forward 'reject with icmp type host-unreachable'
rule reject-icmpv6 forward 'reject with icmpv6 type no-route'
may_fail=1 rule queue forward 'queue num 3 bypass'
may_fail=1 rule queue-range forward 'queue flags fanout to 1-4'
rule notrack raw 'notrack'
rule synproxy input 'synproxy mss 1460 wscale 7 timestamp sack-perm'
rule synproxy-plain input 'synproxy'
rule synproxy-timestamp input 'synproxy timestamp'
rule log-prefix forward 'log prefix "refused: "'
rule log-group forward 'log prefix "x" group 5 snaplen 128 queue-threshold 2'
rule ct-mark forward 'ct mark 0x2a accept'
rule ct-mark-set forward 'ct mark set 0x2a'
rule ct-mark-masked forward 'ct mark and 0xff == 0x2a accept'
rule ct-mark-from-meta forward 'ct mark set meta mark'
rule meta-mark-set forward 'meta mark set 0x2a'
rule meta-mark-or forward 'meta mark set meta mark or 0x100'
rule meta-mark-and forward 'meta mark set meta mark and 0xffff00ff'
rule meta-mark-xor forward 'meta mark set meta mark xor 0x1'
rule meta-nftrace forward 'meta nftrace set 1'
rule meta-iif forward 'iif lo accept'
rule meta-iifname forward 'iifname "br0" accept'
rule meta-iifname-wildcard forward 'iifname "br*" accept'
rule meta-nfproto forward 'meta nfproto ipv4 accept'
rule meta-l4proto forward 'meta l4proto tcp accept'
rule meta-pkttype forward 'meta pkttype broadcast drop'
rule meta-length forward 'meta length > 1400 drop'
rule masquerade postrouting 'masquerade'
rule masquerade-random postrouting 'masquerade random'
rule masquerade-fully-random postrouting 'masquerade fully-random'
rule masquerade-ports postrouting 'meta l4proto tcp masquerade to :1024-2048'
rule snat postrouting 'ip saddr 172.30.0.0/24 snat ip to 198.18.1.77'
rule snat6 postrouting 'snat ip6 to 2001:db8::77'
rule snat-range postrouting 'snat ip to 198.18.1.77-198.18.1.79 persistent'
rule dnat-port prerouting 'tcp dport 8080 dnat ip to 172.30.0.2:80'
rule dnat-address prerouting 'dnat ip to 172.30.0.2'
rule dnat6-port prerouting 'tcp dport 8080 dnat ip6 to [fd30::2]:80'
rule dnat-map prerouting 'dnat ip to ip daddr map @guests'
rule redirect prerouting 'tcp dport 80 redirect to :8080'
rule redirect-plain prerouting 'redirect'
rule fib-daddr-type prerouting 'fib daddr type local accept'
rule fib-saddr-type prerouting 'fib saddr type local return'
rule fib-daddr-iif-type prerouting 'fib daddr . iif type local accept'
rule fib-saddr-iif-oif prerouting 'fib saddr . iif oif missing drop'
rule fib-oifname prerouting 'fib daddr oifname "lo" accept'
rule ct-count forward 'ct count over 20 drop'
rule ct-count-until forward 'ct count 20 accept'
rule ct-state forward 'ct state established,related accept'
rule ct-state-vmap forward 'ct state vmap { established : accept, related : accept, invalid : drop }'
rule ct-status forward 'ct status dnat accept'
rule ct-direction forward 'ct direction reply accept'
rule ct-original-daddr forward 'ct original ip daddr 198.18.0.1 accept'
rule ct-original-port forward 'meta l4proto tcp ct original proto-dst 8080 accept'
rule ct-zone-set raw 'ct zone set 7'
rule vmap-anonymous forward 'meta nfproto vmap { ipv4 : jump other, ipv6 : goto other }'
rule set-anonymous forward 'tcp dport { 80, 443 } accept'
rule set-anonymous-interval forward 'ip saddr { 192.0.2.0/24, 198.51.100.7 } accept'
rule lookup-inverted forward 'ip saddr != @allowed drop'
rule payload-ip forward 'ip daddr 198.18.0.1 accept'
rule payload-prefix forward 'ip saddr 10.0.0.0/8 drop'
rule payload-prefix-odd forward 'ip saddr 10.16.0.0/12 drop'
rule payload-ip6 forward 'ip6 saddr fd30::/64 accept'
rule payload-tcp-flags forward 'tcp flags & (syn | ack) == syn accept'
rule payload-th forward 'th dport 53 accept'
rule payload-ether forward 'ether saddr 02:00:00:00:00:01 accept'
rule cmp-not forward 'tcp dport != 22 drop'
rule cmp-greater forward 'tcp dport >= 1024 accept'
rule range forward 'tcp dport 1024-2048 accept'
rule range-not forward 'tcp dport != 1024-2048 drop'
rule icmp-type forward 'icmp type echo-request accept'
rule dynset-add forward 'add @seen { ip saddr timeout 1m }'
rule dynset-update forward 'update @seen { ip saddr timeout 1m limit rate 5/second } accept'
rule payload-set forward 'ip ttl set 64'
nft_load <<'END'
add counter inet t hits
add quota inet t month { over 100 mbytes }
add set inet t counted { type ipv4_addr; flags dynamic; counter; size 16; }
add map inet t learned { type ipv4_addr : inet_service; flags dynamic; size 16; }
END
rule payload-set-address forward 'ip daddr set 198.18.0.1'
rule payload-set-address6 forward 'ip6 daddr set fd30::2'
rule payload-set-ether forward 'ether saddr set 02:00:00:00:00:01'
rule payload-inner forward '@ih,0,8 4 drop'
rule cmp-equal6 forward 'ip6 daddr fd30::2 accept'
rule ct-count-reject forward 'meta l4proto tcp ct count over 3 reject with tcp reset'
rule ct-bytes forward 'ct original bytes > 100 accept'
rule ct-reply-port forward 'meta l4proto tcp ct reply proto-src 80 accept'
rule ct-helper forward 'ct helper "ftp" accept'
rule ct-event-set forward 'ct event set new'
rule shift-left forward 'meta mark set meta mark << 8'
rule shift-right forward 'meta mark set meta mark >> 4'
rule numgen-offset forward 'numgen inc mod 2 offset 5 vmap { 5 : accept, 6 : drop }'
rule jhash-offset forward 'meta mark set jhash ip saddr mod 4 offset 2'
rule fib-mark-oif forward 'fib saddr . mark . oif type local accept'
may_fail=1 rule queue-numgen forward 'queue to numgen inc mod 2'
rule log forward 'log'
rule log-level forward 'log prefix "dropped " level debug flags all'
rule quota-until forward 'quota until 10 mbytes used 3 mbytes accept'
rule object-counter forward 'counter name "hits"'
rule object-quota forward 'quota name "month"'
rule object-map forward 'counter name tcp dport map { 80 : "hits" }'
rule dynset-delete forward 'delete @seen { ip saddr }'
rule dynset-counter forward 'add @counted { ip saddr counter }'
rule dynset-several forward 'update @seen { ip saddr timeout 30s counter limit rate over 3/second }'
rule dynset-map forward 'add @learned { ip saddr : tcp dport }'
rule dnat-range prerouting 'meta l4proto tcp dnat ip to 172.30.0.2-172.30.0.9:80-90 random'
rule tcp-option forward 'tcp option maxseg size 1400 accept'
rule tcp-option-set forward 'tcp option maxseg size set 1400'
rule tcp-option-exists forward 'tcp option sack-perm exists accept'
rule extension-header forward 'exthdr frag exists drop'
rule ip-option forward 'ip option ra exists drop'
rule route-mtu forward 'tcp flags syn tcp option maxseg size set rt mtu'
rule route-nexthop forward 'rt ip nexthop 172.30.0.2 accept'
rule route-nexthop6 forward 'rt ip6 nexthop fd30::2 accept'
rule route-classid forward 'rt classid 3 accept'
rule xfrm forward 'ipsec in reqid 5 accept'

batch rule-insert 'insert rule inet t forward accept'
batch rule-add-position 'add rule inet t forward index 0 drop'
handle=$(in_ns nft -a list chain inet t forward | sed -n 's/.*# handle //p' | tail -1)
batch rule-replace "replace rule inet t forward handle $handle counter drop"
batch rule-delete "delete rule inet t forward handle $handle"

# ================================================================= nftables: the reference table, piece by piece
batch reference-table "flush ruleset
$(cat reference.nft)"
nft_load <<<"flush ruleset
$(cat reference.nft)"
number=0
chain=""
declare -A seen=()
# nft 1.0.6 does not recognise the type of the slots' maps once they have been to the kernel and back.
slots_in_scratch() {
	if [[ $line =~ @(slots_[a-z]*[46]) ]]; then
		table=scratch
		setup="add table inet scratch
add $(grep -o "map ${BASH_REMATCH[1]} .*" reference.nft | sed "s/map /map inet scratch /")
add chain inet scratch $chain { type nat hook prerouting priority dstnat; }
"
	fi
}
while IFS= read -r line; do
	line=${line%%#*}
	line=$(sed -E 's/^[ \t]+//; s/[ \t]+$//; s/[ \t]+/ /g' <<<"$line")
	case $line in
	'chain '*'{ }') ;;
	'chain '*';'*'}')
		chain=$(cut -d' ' -f2 <<<"$line")
		setup=""
		table=sluice
		slots_in_scratch
		batch "reference-rule-$chain-1" "${setup}add rule inet $table $chain $(sed 's/.*{ *//; s/; *}.*//' <<<"$line")"
		[ -z "$setup" ] || in_ns nft "add table inet scratch; delete table inet scratch"
		chain=""
		;;
	'chain '*) chain=$(cut -d' ' -f2 <<<"$line") number=0 ;;
	'set '* | 'map '*)
		read -r what name rest <<<"$line"
		in_ns nft "add table inet scratch"
		batch "reference-$what-$name" "add $what inet scratch $name $rest"
		in_ns nft "delete table inet scratch"
		;;
	'' | '}' | 'type '*'hook'* | 'table '*) ;;
	*)
		[ -n "$chain" ] || continue
		number=$((number + 1))
		[ -z "${seen[$line]:-}" ] || continue
		seen[$line]=1
		setup=""
		table=sluice
		slots_in_scratch
		batch "reference-rule-$chain-$number" "${setup}add rule inet $table $chain $line"
		[ -z "$setup" ] || in_ns nft "add table inet scratch; delete table inet scratch"
		;;
	esac
done <reference.nft

# ============================================================================== nftables: what the kernel says
nft_load <<<"flush ruleset
$(cat reference.nft)"
nft_load <<'END'
add element inet sluice bridges { br0, br1 }
add element inet sluice intra { br0 . br0, br1 . br1 }
add element inet sluice inbound { br0 : drop, br1 : goto routed }
add element inet sluice home4 { br0 . 172.30.0.0/24, br1 . 172.31.0.0/24 }
add element inet sluice egress4 { 172.30.0.0/24 : goto masq, 172.31.0.0/24 : goto fixed4 }
add element inet sluice source4 { 172.31.0.0/24 : 198.18.1.77 }
add element inet sluice any4 { tcp . 8080 comment "web" : 172.30.0.2 . 80, udp . 8053 : 172.30.0.2 . 53 }
add element inet sluice any6 { tcp . 8080 : fd30::2 . 80 }
add element inet sluice exact4 { 198.18.0.77 . tcp . 8080 : 172.30.0.3 . 80 }
add element inet sluice range4_tcp { 7000-7009 : 172.30.0.2 }
add element inet sluice guarded_any4 { tcp . 8100 : jump guard_any4 }
add element inet sluice restricted_any4 { tcp . 8100 }
add element inet sluice allow_any4 { tcp . 8100 . 198.18.0.2/31, tcp . 8100 . 172.16.0.0/12 }
add element inet sluice limited_any4 { tcp . 8101 ct count over 3 }
add element inet sluice steered_any4 { tcp . 9000 : jump spread_turn_4_0_any4 }
add element inet sluice slots_any4 { tcp . 9000 . 0 : 172.30.0.2 . 80 }
END
dump() { input='' capture "nftables/dump-$1" "exchange:$2" nft "${@:3}"; }
dump generation NFT_MSG_GETGEN list tables
dump tables NFT_MSG_GETTABLE list tables
dump chains NFT_MSG_GETCHAIN list ruleset
dump rules NFT_MSG_GETRULE list ruleset
dump sets NFT_MSG_GETSET list sets
for set in bridges intra home4 restricted_any4 allow_any4 limited_any4; do
	dump "elements-$set" NFT_MSG_GETSETELEM list set inet sluice $set
done
for map in any4 any6 exact4 range4_tcp inbound egress4 source4 guarded_any4 steered_any4 slots_any4; do
	dump "elements-$map" NFT_MSG_GETSETELEM list map inet sluice $map
done
input='' capture nftables/get-element exchange:NFT_MSG_GETSETELEM nft 'get element inet sluice any4 { tcp . 8080 }'
may_fail=1 input='' capture nftables/get-element-missing exchange:NFT_MSG_GETSETELEM nft 'get element inet sluice any4 { tcp . 9999 }'

# ==================================================================== nftables: whole tables, and how nft lists them
# Everything 'nft list' asks the kernel for, with what it prints of the answers.
listing() { # NAME TABLE
	input='' keep_output=1 capture "nftables/list-$1" 'exchange:NFT_MSG_GET.*' nft list table inet "$2"
}
listing reference sluice
nft_load <<'END'
flush ruleset
table inet t {
	comment "every form of a set";
	set seen { type ipv4_addr; flags dynamic,timeout; timeout 1m; size 100; }
	set leases { type ipv4_addr; flags timeout; timeout 90061s; elements = { 192.0.2.1 timeout 1d5h, 192.0.2.2 }; }
	set merged { type ipv4_addr; flags interval; auto-merge; elements = { 0.0.0.0/0 }; }
	set ports { type inet_service; flags interval; elements = { 22, 1024-2047, 3000-65535 }; }
	set sources { type inet_proto . inet_service . ipv4_addr; flags interval
		elements = { tcp . 1024-2047 . 10.0.0.0/8, udp . 53 . 192.0.2.1-192.0.2.3 }; }
	set marks { type mark; elements = { 0x3, 0x2a }; }
	set mark_ranges { type mark; flags interval; elements = { 0x10-0x1f, 0x40-0x77 }; }
	set ethers { type ether_addr; comment "who may"; elements = { 02:00:00:00:00:01 }; }
	set fixed_ports { type inet_service; flags constant; elements = { 80, 443 }; }
	set states { type ct_state; elements = { established, related }; }
	set icmp_types { type icmp_type; elements = { echo-request }; }
	set pairs { type ipv4_addr . mark; elements = { 192.0.2.1 . 0x5 }; }
	set interfaces { type iface_index; elements = { lo }; }
	set counted { type ipv4_addr; flags dynamic; counter limit rate 5/second; }
	set connections { type inet_proto . inet_service; ct count over 100
		elements = { tcp . 80 ct count over 5 comment "five" }; }
	map subnets { type ipv4_addr : ipv4_addr . inet_service; flags interval; counter
		elements = { 10.0.0.0/8 counter packets 5 bytes 6 comment "ten" : 192.0.2.1 . 80 }; }
	map verdicts { type ipv6_addr : verdict; elements = { 2001:db8::1 : drop, 2001:db8::2 : jump next }; }
	set rate4_20 { type ipv4_addr . inet_proto . inet_service; flags dynamic,timeout; timeout 2m; size 1000; }
	chain early { type filter hook prerouting priority -155; }
	chain guard { type filter hook output priority 60; policy drop; }
	chain late { type nat hook output priority -95; }
	chain between { type filter hook forward priority -139; }
	chain routing { type route hook output priority mangle; }
	chain sources_last { type nat hook postrouting priority srcnat + 1; }
	chain next { update @rate4_20 { ip saddr . meta l4proto . th dport limit rate over 20/second burst 40 packets } drop; }
}
END
listing sets t
nft_load <<'END'
flush ruleset
table inet t {
	map guests { type ipv4_addr : ipv4_addr; }
	set seen { type ipv4_addr; flags dynamic, timeout; size 1024; }
	set allowed { type ipv4_addr; }
	set pairs { type ipv4_addr . mark; }
	set counted { type ipv4_addr; flags dynamic; counter; size 16; }
	map learned { type ipv4_addr : inet_service; flags dynamic; size 16; }
	counter hits { }
	quota month { over 100 mbytes }
	chain other { }
	chain forward { type filter hook forward priority filter; }
	chain raw { type filter hook prerouting priority raw; }
	chain input { type filter hook input priority filter - 10; }
	chain prerouting { type nat hook prerouting priority dstnat; }
	chain postrouting { type nat hook postrouting priority srcnat; }
}
END
sed 's/^/add rule inet t forward /' >>"$tmp/rules" <<'END'
ct status & dnat == 0 accept
ct state != established accept
ct state ! established accept
tcp flags & (syn|ack) != 0 accept
tcp flags & syn == 0 accept
meta nfproto ipv4 counter ip saddr 192.0.2.1 drop
meta l4proto udp counter udp dport 53 drop
ip protocol tcp tcp dport 80
icmpv6 type echo-request
meta l4proto icmp @th,0,8 8
@nh,96,32 0x01020304 accept
ip saddr 192.0.2.1 ip daddr 192.0.2.2 tcp sport 5 tcp dport 9 accept
meta mark & 0x3 != 0 accept
ip saddr & 0.0.0.255 == 0.0.0.5
ip6 saddr != fe80::/10
meta mark { 1, 2 }
ip saddr . meta mark @pairs
meta mark set ip saddr map { 192.0.2.1 : 0x5 }
limit rate 20/second burst 40 packets drop
limit rate over 5 kbytes/second burst 3000 bytes
iifname != { "lo", "br0" } accept
iif 55 accept
log group 0
log flags tcp sequence,options flags skuid
meta skuid 0
meta protocol ip
ether type ip
ip ttl 5-9 accept
tcp dport < 5
END
# The kernel may lack one or the other (nft_queue): those are not in the listing.
while IFS= read -r line; do in_ns nft "$line" 2>/dev/null; done <"$tmp/rules"
listing rules t
nft_load <<<"flush ruleset
$(cat reference.nft)"

watch() { # NAME SCRIPT : the notifications a transaction causes
	if wanted "nftables/event-$1"; then
		monitor "nftables/event-$1" nft monitor
		in_ns nft "$2" || die "event-$1 failed"
		monitored "nft '$2'"
	else
		in_ns nft "$2"
	fi
}
watch element-add 'add element inet sluice any4 { tcp . 9090 : 172.30.0.2 . 90 }'
watch element-delete 'delete element inet sluice any4 { tcp . 9090 }'
watch interval-add 'add element inet sluice allow_any4 { tcp . 8100 . 192.0.2.0/24 }'
watch table-add 'add table inet other; add chain inet other c { type filter hook input priority 0; }; add rule inet other c accept'
watch table-delete 'delete table inet other'
watch set-add 'add set inet sluice more { type ipv4_addr; }; add element inet sluice more { 192.0.2.1 }'
watch flush-ruleset 'flush ruleset'

# What a traced packet meets: a rule that goes on, a jump, the return from it, a policy, a drop; with its connection.
monitor_trace() {
	wanted nftables/trace || return 0
	nft_load <<<'table inet traced {
	chain sent {
		type filter hook output priority 0
		ct state new udp dport 9 meta nftrace set 1
		jump others
		tcp dport 9 drop
	}
	chain others {
		udp dport 9 return
	}
	chain got {
		type filter hook input priority 0
		udp dport 9 meta mark set 7 drop comment "nobody serves it"
	}
}'
	monitor nftables/trace nft monitor trace
	in_ns /usr/bin/python3 -c 'import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9))
socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b"x", ("::1", 9))'
	monitored 'a datagram from 127.0.0.1 to port 9 of 127.0.0.1, and one from ::1 to port 9 of ::1'
	nft_load <<<'flush ruleset'
}
monitor_trace

# ============================================================================================== conntrack
ip -n "$ns" link add eth0 type veth peer name eth0 netns "$peer"
for line in "$ns 172.30.0.1/24 fd30::1/64" "$peer 172.30.0.2/24 fd30::2/64"; do
	read -r n v4 v6 <<<"$line"
	ip -n "$n" link set eth0 up
	ip -n "$n" addr add "$v4" dev eth0
	ip -n "$n" addr add "$v6" dev eth0
done
ip -n "$ns" addr add 198.18.0.1/32 dev lo
ip -n "$ns" addr add 2001:db8:18::1/128 dev lo
ip -n "$peer" route add default via 172.30.0.1
ip -n "$peer" route add default via fd30::1
in_ns sysctl -qw net.netfilter.nf_conntrack_acct=1 net.netfilter.nf_conntrack_timestamp=1
nft_load <<'END'
flush ruleset
table inet t {
	chain raw { type filter hook output priority raw; udp dport 5007 ct zone set 7; }
	chain output {
		type nat hook output priority -100;
		fib daddr type local tcp dport 8080 dnat ip to 172.30.0.2:80
		fib daddr type local tcp dport 8080 dnat ip6 to [fd30::2]:80
		fib daddr type local udp dport 8053 dnat ip to 172.30.0.2:53
	}
	chain filter { type filter hook output priority filter; udp dport 53 ct mark set 42; }
	chain postrouting { type nat hook postrouting priority srcnat; tcp dport 81 masquerade; }
}
END
tool=../resources/lab/traffic.py
# It ends with its standard input, which is ours to hold open.
coproc SERVER { ip netns exec "$peer" /usr/bin/python3 -IS $tool; }
echo '{"id": 1, "do": "serve", "name": "c1", "tcp": ["80-81"], "udp": ["53", "5007"]}' >&"${SERVER[1]}"
get() { # PROTOCOL ADDRESS PORT : connects, is answered, closes
	{
		echo "{\"id\": 1, \"do\": \"get\", \"protocol\": \"$1\", \"address\": \"$2\", \"port\": $3, \"timeoutSeconds\": 1}"
		sleep 0.5
	} | in_ns /usr/bin/python3 -IS $tool | grep -q ANSWERED || die "no answer from $1 $2 $3"
}
sleep 0.3
ping_one() { # ADDRESS : one echo request and its reply
	in_ns /usr/bin/python3 -IS - "$1" <<'END' || die "no echo from $1"
import socket, sys
six = ":" in sys.argv[1]
family, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if six else (socket.AF_INET, socket.IPPROTO_ICMP)
with socket.socket(family, socket.SOCK_RAW, protocol) as s:
    s.settimeout(1)
    # Identifier 1, sequence 1; the kernel fills in the checksum of ICMPv6 only.
    s.sendto(bytes.fromhex("8000000000010001" if six else "0800f7fd00010001"), (sys.argv[1], 0))
    s.recv(100)
END
}
ct() { input='' capture "conntrack/$1" "exchange:IPCTNL_MSG_CT_.*" conntrack "${@:2}"; }
in_ns conntrack -F 2>/dev/null
get tcp 198.18.0.1 8080
get tcp 172.30.0.2 81
get tcp 2001:db8:18::1 8080
get udp 198.18.0.1 8053
get udp 172.30.0.2 53
get udp 172.30.0.2 5007
ping_one 172.30.0.2
ping_one fd30::2
ct dump -L
ct dump-ipv6 -L -f ipv6
ct dump-tcp -L -p tcp
ct dump-orig-port -L -p tcp --orig-port-dst 8080
ct dump-mark -L --mark 42
ct dump-mark-masked -L --mark 0x2a/0xff
ct dump-source -L -s 198.18.0.1
ct dump-zone -L --zone 7
ct dump-status -L -u ASSURED
ct count -C
# Packets that are no connection, so that not all counters are 0.
in_ns /usr/bin/python3 -IS - <<'END'
import socket
with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as s:
    for flags in 3, 3, 7: # SYN and FIN at once
        tcp = bytes.fromhex('30390050000000010000000050') + bytes([flags]) + bytes.fromhex('ffff00000000')
        ip = bytes.fromhex('4500002800010000400600000a00000ac6120001')
        s.sendto(ip + tcp, ('172.30.0.2', 0))
END
keep_output=1 ct statistics -S
port=$(in_ns conntrack -L -p udp --orig-port-dst 53 2>/dev/null | sed -E 's/.* sport=([0-9]+) dport=53 .*/\1/' | head -1)
ct get -G -p udp -s 172.30.0.1 -d 172.30.0.2 --sport "$port" --dport 53
ct delete -D -p udp -s 172.30.0.1 -d 172.30.0.2 --sport "$port" --dport 53
may_fail=1 ct get-missing -G -p udp -s 172.30.0.1 -d 172.30.0.2 --sport 9 --dport 9
ct insert -I -p tcp -s 192.0.2.1 -d 192.0.2.2 --sport 1000 --dport 80 --state ESTABLISHED --timeout 600 --mark 7 -u SEEN_REPLY,ASSURED
ct insert-nat -I -p udp -s 192.0.2.1 -d 192.0.2.2 --sport 1000 --dport 53 --timeout 600 --dst-nat 172.30.0.2:53
ct update-mark -U -p tcp -s 192.0.2.1 -d 192.0.2.2 --sport 1000 --dport 80 --mark 8
# conntrack has no option for it, its library has.
input='' capture conntrack/update-liberal "exchange:IPCTNL_MSG_CT_.*" ./liberal.py 192.0.2.1 1000 192.0.2.2 80
ct flush -F

ct_watch() { # NAME EVENTS COMMAND... : the events of its flow, from the first packet to deletion
	wanted "conntrack/event-$1" || return 0
	in_ns conntrack -F 2>/dev/null
	monitor "conntrack/event-$1" conntrack -E -o timestamp,id
	"${@:2}"
	sleep 0.2
	in_ns conntrack -F 2>/dev/null
	monitored "${*:2}; conntrack -F"
}
ct_watch tcp-dnat get tcp 198.18.0.1 8080
ct_watch tcp-masquerade get tcp 172.30.0.2 81
ct_watch tcp6-dnat get tcp 2001:db8:18::1 8080
ct_watch udp-dnat get udp 198.18.0.1 8053
ct_watch udp-mark get udp 172.30.0.2 53
ct_watch udp-zone get udp 172.30.0.2 5007
ct_watch icmp ping_one 172.30.0.2
ct_watch icmp6 ping_one fd30::2

# ================================================================================================== route
r() { input='' capture "route/$1" "exchange:RTM_.*" "${@:2}"; }
r link-add-bridge ip link add br0 type bridge
r link-add-veth ip link add v1 type veth peer name v2
r link-add-veth-netns ip link add vc1 type veth peer name ceth0 netns "$peer"
r link-add-mtu ip link add br9 mtu 1400 type bridge
r link-set-up ip link set br0 up
r link-set-down ip link set br0 down
r link-set-master ip link set vc1 master br0
r link-set-nomaster ip link set v1 nomaster
r link-set-netns ip link set v2 netns "$peer"
r link-set-name ip link set v1 name v1renamed
r link-set-alias ip link set br0 alias "sluice network web"
r link-set-mtu ip link set br0 mtu 1400
r link-set-address ip link set br0 address 02:00:00:00:00:01
r link-set-hairpin bridge link set dev vc1 hairpin on
in_ns ip link set br0 up
in_ns ip link set vc1 up
r address-add ip addr add 172.31.0.1/24 dev br0
r address-add6 ip addr add fd31::1/64 dev br0 nodad
r address-show ip addr show dev br0
r address-show-all ip addr show
r address-delete ip addr del 172.31.0.1/24 dev br0
r address-delete6 ip addr del fd31::1/64 dev br0
r route-add-default ip route add default via 172.30.0.9
r route-add-default6 ip -6 route add default via fd30::9
r route-add-local ip route add local 198.18.7.0/24 dev lo
r route-add-local6 ip -6 route add local ::1/128 dev br0 table local metric 10
r route-add-link ip route add 10.9.0.0/16 dev eth0
r route-show ip route show
r route-show-local ip route show table local
r route-show6 ip -6 route show
r route-get ip route get 192.0.2.1
r route-get6 ip -6 route get 2001:db8::1
may_fail=1 r route-get-arriving ip route get 192.0.2.1 from 172.30.0.77 iif eth0 mark 5
may_fail=1 r route-get-arriving6 ip -6 route get 2001:db8::1 from fd30::77 iif eth0
r route-delete ip route del 10.9.0.0/16 dev eth0
r neighbour-add ip neigh add 172.30.0.77 lladdr 02:00:00:00:00:77 dev eth0 nud permanent
r neighbour-add6 ip neigh add fd30::77 lladdr 02:00:00:00:00:77 dev eth0 nud permanent
r neighbour-show ip neigh show
r neighbour-delete ip neigh del 172.30.0.77 dev eth0
r link-show ip link show
r link-show-one ip link show dev br0
r link-show-bridge-port ip -d link show dev vc1
r link-delete ip link del br0
may_fail=1 r error-no-link ip link set nosuch up
may_fail=1 r error-link-exists ip link add eth0 type bridge
may_fail=1 r error-bad-gateway ip route add 10.8.0.0/16 via 203.0.113.1
monitor_route() {
	wanted route/event-link || return 0
	monitor route/event-link ip monitor link address route
	in_ns ip link add brm type bridge
	in_ns ip link set brm up
	in_ns ip addr add 10.7.0.1/24 dev brm
	in_ns ip link del brm
	monitored "ip link add brm type bridge; ip link set brm up; ip addr add 10.7.0.1/24 dev brm; ip link del brm"
}
monitor_route
# A bridge port and its peer, as complete as the kernel makes them in one request each.
in_ns ip link add br2 type bridge
r link-add-veth-port ip link add vp1 up mtu 1400 master br2 type veth peer name ceth1 address 02:00:00:00:00:02 mtu 1400 netns "$peer"
r link-set-port ip link set dev vp1 up alias "wire of web" type bridge_slave hairpin on isolated on
r link-show-port ip -d link show dev vp1
may_fail=1 r error-peer-up ip link add vp2 type veth peer name ceth2 up
r route-add-onlink ip route add 10.10.0.0/16 via 203.0.113.1 dev eth0 onlink
r route-add-onlink6 ip -6 route add 2001:db8:10::/64 via fd99::1 dev eth0 onlink
r route-show-onlink ip route show 10.10.0.0/16
r route-show-onlink6 ip -6 route show 2001:db8:10::/64
monitor_port() {
	wanted route/event-port || return 0
	monitor route/event-port ip monitor link
	in_ns ip link set vp1 down
	in_ns ip link del vp1
	monitored "ip link set vp1 down; ip link del vp1"
}
monitor_port
monitor_traffic_control() {
	wanted route/event-traffic-control || return 0
	in_ns ip link add vp2 up type veth peer name vp3
	monitor route/event-traffic-control tc monitor
	in_ns tc qdisc add dev vp2 clsact
	in_ns tc filter add dev vp2 egress prio 7 bpf da bytecode "1,6 0 0 2,"
	in_ns tc filter del dev vp2 egress prio 7
	in_ns tc qdisc del dev vp2 clsact
	monitored "tc qdisc add dev vp2 clsact; tc filter add dev vp2 egress prio 7 bpf da bytecode 1,6 0 0 2,; tc filter del dev vp2 egress prio 7; tc qdisc del dev vp2 clsact"
}
monitor_traffic_control
echo "$count captures written to $out, $failures failed"
[ $failures = 0 ]

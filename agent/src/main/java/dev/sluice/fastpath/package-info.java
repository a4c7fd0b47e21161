/**
 * The fast path: programs in the kernel that carry packets of established, translated flows past
 * netfilter, between outer devices and containers (native/bpf). They learn flows from conntrack,
 * which stays the truth; docs/fastpath.md tells what that means for operators, docs/adr/0016 and
 * 0017 why it is so.
 */
@NullMarked
package dev.sluice.fastpath;

import org.jspecify.annotations.NullMarked;

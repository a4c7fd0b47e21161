/**
 * The userland proxy: accepts the connections that the kernel cannot translate, IPv6 clients of
 * IPv4 containers, and carries their bytes. The work is done by threads in C
 * (native/src/proxy_worker.c); here is what they are told.
 */
@NullMarked
package dev.sluice.proxy;

import org.jspecify.annotations.NullMarked;

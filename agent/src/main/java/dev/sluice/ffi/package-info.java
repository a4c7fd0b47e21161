/**
 * The only door to C: libc, the shim, errno and unix sockets. Nothing else imports {@code jnr.*}.
 */
@NullMarked
package dev.sluice.ffi;

import org.jspecify.annotations.NullMarked;

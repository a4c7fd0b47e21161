/** Tests of connection tracking: against captured messages, the C library and the live kernel. */
@NullMarked
package dev.sluice.conntrack;

import org.jspecify.annotations.NullMarked;

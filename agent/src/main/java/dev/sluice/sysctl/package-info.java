/** The kernel's parameters under /proc/sys, and the record of which of them were changed. */
@NullMarked
package dev.sluice.sysctl;

import org.jspecify.annotations.NullMarked;

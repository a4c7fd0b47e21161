/** The composition root: puts the agent together, starts it, and ends it. */
@NullMarked
package dev.sluice.daemon;

import org.jspecify.annotations.NullMarked;

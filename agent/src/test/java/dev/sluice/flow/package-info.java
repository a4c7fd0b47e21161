/** Tests of flows and their events: the parts alone, under load, and with the live kernel. */
@NullMarked
package dev.sluice.flow;

import org.jspecify.annotations.NullMarked;

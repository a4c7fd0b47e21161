/** Tests of the rtnetlink library; {@code *IT} talk to the live kernel. */
@NullMarked
package dev.sluice.route;

import org.jspecify.annotations.NullMarked;

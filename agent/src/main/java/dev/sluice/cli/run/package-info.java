/**
 * {@code sluice run}: a command in network and mount namespaces of its own.
 *
 * <p>What it needs of the system is loaded with it alone, so that other commands start fast.
 */
@NullMarked
package dev.sluice.cli.run;

import org.jspecify.annotations.NullMarked;

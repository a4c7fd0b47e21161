/**
 * Builds what a package has beside programs: manual pages and completion, from the commands
 * themselves. Runs while the package is built, and is not in it.
 */
@NullMarked
package dev.sluice.packaging;

import org.jspecify.annotations.NullMarked;

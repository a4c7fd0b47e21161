/** The package, looked at and installed on a machine of its own. */
@NullMarked
package dev.sluice.packaging;

import org.jspecify.annotations.NullMarked;

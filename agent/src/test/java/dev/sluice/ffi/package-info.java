/** Tests of the bindings to C. */
@NullMarked
package dev.sluice.ffi;

import org.jspecify.annotations.NullMarked;

/** A real Docker engine, for those who are compared with it or followed by it. */
@NullMarked
package dev.sluice.bench.docker;

import org.jspecify.annotations.NullMarked;

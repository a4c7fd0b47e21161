/**
 * The same calls through {@code java.lang.foreign}. Needs JDK 22 or newer, the product's baseline
 * is 17: so Maven does not compile this tree, bench/run does.
 */
@NullMarked
package dev.sluice.bench.panama;

import org.jspecify.annotations.NullMarked;

/** The benchmark runner: named benchmarks, where they ran, what came out. Started by bench/run. */
@NullMarked
package dev.sluice.bench;

import org.jspecify.annotations.NullMarked;

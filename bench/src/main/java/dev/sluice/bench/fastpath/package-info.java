/**
 * What a published port's packets gain by the fast path, beside no rules and beside no host at all.
 *
 * <p>The ways are made and compared by bench/native/fastpath.py and slots.c; here they become
 * figures.
 */
@NullMarked
package dev.sluice.bench.fastpath;

import org.jspecify.annotations.NullMarked;

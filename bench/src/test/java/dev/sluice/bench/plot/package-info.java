/** What the pictures show. */
@NullMarked
package dev.sluice.bench.plot;

import org.jspecify.annotations.NullMarked;

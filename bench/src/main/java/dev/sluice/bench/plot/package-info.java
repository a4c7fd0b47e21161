/** Results as pictures: SVG for pages, PNG for everything else. */
@NullMarked
package dev.sluice.bench.plot;

import org.jspecify.annotations.NullMarked;

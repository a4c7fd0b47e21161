/** How flows and events are written down for others: NDJSON. */
@NullMarked
package dev.sluice.flow.export;

import org.jspecify.annotations.NullMarked;

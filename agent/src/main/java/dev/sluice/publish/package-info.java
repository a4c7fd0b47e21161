/**
 * What a request to publish means: which ports are taken, in which order things take effect, and
 * what is undone when a step fails.
 */
@NullMarked
package dev.sluice.publish;

import org.jspecify.annotations.NullMarked;

/**
 * Flows: connections the host tracks, which mapping each belongs to, and the stream of what happens
 * to them. Nothing here waits for a consumer.
 */
@NullMarked
package dev.sluice.flow;

import org.jspecify.annotations.NullMarked;

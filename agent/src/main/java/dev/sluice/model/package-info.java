/**
 * What the agent talks about: mappings, networks, flows. Pure values, checked when they are made,
 * without a word of how anything is realised.
 *
 * <p>Two exceptions leave this package, both with one sentence for the person who asked: {@link
 * dev.sluice.net.MalformedValueException} for text that cannot be read, and {@link
 * dev.sluice.model.InvalidMappingException} for parts that are fine each but not together.
 */
@NullMarked
package dev.sluice.model;

import org.jspecify.annotations.NullMarked;

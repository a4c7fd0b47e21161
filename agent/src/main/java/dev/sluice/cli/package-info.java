/**
 * The command line. Commands talk to the agent through {@link dev.sluice.api.ApiClient} alone and
 * load nothing native, so that they start fast; only {@code sluice agent} becomes the agent.
 */
@NullMarked
package dev.sluice.cli;

import org.jspecify.annotations.NullMarked;

/** Networks of containers on this host, and what the host must be set to so that they work. */
@NullMarked
package dev.sluice.network;

import org.jspecify.annotations.NullMarked;

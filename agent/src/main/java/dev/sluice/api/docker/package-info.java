/**
 * Docker's side of the agent: {@link dev.sluice.api.docker.EngineFollower} follows an engine that
 * writes no firewall rules of its own, and publishes what its containers ask for; docs/docker.md
 * tells how the two are set up together.
 *
 * <p>The engine is asked over its own API at its unix socket. It chooses host ports, keeps them
 * with sockets of its own and reports conflicts; what leads packets to containers is ours.
 */
@NullMarked
package dev.sluice.api.docker;

import org.jspecify.annotations.NullMarked;

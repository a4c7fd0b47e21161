/**
 * Docker's two protocols. {@link dev.sluice.api.docker.EngineFollower} follows an engine that
 * writes no firewall rules of its own, and publishes what its containers ask for; {@link
 * dev.sluice.api.docker.DriverServer} is the network driver that an engine calls for networks which
 * are made for it. docs/docker.md tells how both are set up.
 *
 * <p>The engine that is followed is asked over its own API at its unix socket. It chooses host
 * ports, keeps them with sockets of its own and reports conflicts; what leads packets to containers
 * is ours. A network driver does all of that itself.
 */
@NullMarked
package dev.sluice.api.docker;

import org.jspecify.annotations.NullMarked;

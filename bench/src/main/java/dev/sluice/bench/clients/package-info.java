/**
 * Ports published through the programs that people run containers with, by their own rules and by
 * Sluice: Docker and CNI runtimes, side by side with Sluice's API and command.
 */
@NullMarked
package dev.sluice.bench.clients;

import org.jspecify.annotations.NullMarked;

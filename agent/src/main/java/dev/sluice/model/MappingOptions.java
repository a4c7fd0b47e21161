package dev.sluice.model;

import dev.sluice.net.IpAddress;
import dev.sluice.net.Prefix;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.TreeSet;

/**
 * Who may use a mapping, and how much. The host itself is always admitted.
 *
 * @param allowedSources the blocks of addresses that may connect; empty for everybody. Sorted, and
 *     none inside another
 * @param maxConnections how many connections may be open at a time on each host port, 1 to {@value
 *     #MAX_CONNECTIONS}; empty for any number
 * @param sourceRate how often one source address may begin a connection to each host port; empty
 *     for as often as it likes
 * @param synProxy whether a connection counts as begun only once the client has answered a SYN
 *     cookie; tcp only
 * @param proxyProtocolPort where the userland proxy, which hides the client's address, connects to
 *     instead, with a PROXY protocol version 2 header in front that tells it; tcp and one port only
 */
public record MappingOptions(
    List<Prefix> allowedSources,
    OptionalInt maxConnections,
    Optional<SourceRate> sourceRate,
    boolean synProxy,
    OptionalInt proxyProtocolPort) {
  /** The most blocks of addresses of one mapping. */
  public static final int MAX_SOURCES = 1_024;

  /** The most connections a limit can be. */
  public static final int MAX_CONNECTIONS = 10_000_000;

  /** Everybody, any number, as often as they like. */
  public static final MappingOptions NONE =
      new MappingOptions(List.of(), OptionalInt.empty(), Optional.empty());

  /**
   * Sorts the blocks and leaves out those inside others.
   *
   * @throws InvalidMappingException if there are too many, or the limit is out of range
   */
  public MappingOptions {
    allowedSources = merged(allowedSources);
    if (allowedSources.size() > MAX_SOURCES) {
      throw new InvalidMappingException(
          "at most "
              + MAX_SOURCES
              + " blocks of allowed sources are possible, not "
              + allowedSources.size());
    }
    if (maxConnections.isPresent()
        && (maxConnections.getAsInt() < 1 || maxConnections.getAsInt() > MAX_CONNECTIONS)) {
      throw new InvalidMappingException(
          "the limit of connections must be 1 to "
              + MAX_CONNECTIONS
              + ", not "
              + maxConnections.getAsInt());
    }
    if (proxyProtocolPort.isPresent()
        && (proxyProtocolPort.getAsInt() < 1 || proxyProtocolPort.getAsInt() > 0xffff)) {
      throw new InvalidMappingException(
          "the port for the PROXY protocol must be 1 to 65535, not "
              + proxyProtocolPort.getAsInt());
    }
  }

  /** Without the PROXY protocol. */
  public MappingOptions(
      List<Prefix> allowedSources,
      OptionalInt maxConnections,
      Optional<SourceRate> sourceRate,
      boolean synProxy) {
    this(allowedSources, maxConnections, sourceRate, synProxy, OptionalInt.empty());
  }

  /** Without a SYN proxy. */
  public MappingOptions(
      List<Prefix> allowedSources, OptionalInt maxConnections, Optional<SourceRate> sourceRate) {
    this(allowedSources, maxConnections, sourceRate, false);
  }

  private static List<Prefix> merged(List<Prefix> blocks) {
    List<Prefix> kept = new ArrayList<>(blocks.size());
    // Wider blocks sort before what is inside them.
    for (Prefix block : new TreeSet<>(blocks)) {
      if (kept.isEmpty() || !kept.get(kept.size() - 1).contains(block)) {
        kept.add(block);
      }
    }
    return List.copyOf(kept);
  }

  /** Whether everything is as it is by default. */
  public boolean isNone() {
    return equals(NONE);
  }

  /** Whether everybody may connect, any number of times, and without being asked. */
  public boolean isUnrestricted() {
    return withProxyProtocolPort(OptionalInt.empty()).isNone();
  }

  /** Whether an address may connect, as far as addresses go. */
  public boolean admits(IpAddress source) {
    return allowedSources.isEmpty()
        || allowedSources.stream().anyMatch(block -> block.contains(source));
  }

  public MappingOptions withAllowedSources(List<Prefix> blocks) {
    return new MappingOptions(blocks, maxConnections, sourceRate, synProxy, proxyProtocolPort);
  }

  public MappingOptions withMaxConnections(OptionalInt limit) {
    return new MappingOptions(allowedSources, limit, sourceRate, synProxy, proxyProtocolPort);
  }

  public MappingOptions withSourceRate(Optional<SourceRate> rate) {
    return new MappingOptions(allowedSources, maxConnections, rate, synProxy, proxyProtocolPort);
  }

  public MappingOptions withSynProxy(boolean wanted) {
    return new MappingOptions(
        allowedSources, maxConnections, sourceRate, wanted, proxyProtocolPort);
  }

  public MappingOptions withProxyProtocolPort(OptionalInt port) {
    return new MappingOptions(allowedSources, maxConnections, sourceRate, synProxy, port);
  }
}

package dev.sluice.model;

import dev.sluice.net.Prefix;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * What is to be different about the options of mappings. What is empty stays as it is.
 *
 * @param allowedSources the new blocks; an empty list admits everybody
 * @param maxConnections the new limit; the empty one allows any number
 * @param sourceRate the new rate; the empty one allows any
 * @param synProxy whether there is to be a SYN proxy
 * @param proxyProtocolPort the new port for the PROXY protocol; the empty one for none
 */
public record OptionsChange(
    Optional<List<Prefix>> allowedSources,
    Optional<OptionalInt> maxConnections,
    Optional<Optional<SourceRate>> sourceRate,
    Optional<Boolean> synProxy,
    Optional<OptionalInt> proxyProtocolPort) {
  /** Leaves everything as it is. */
  public static final OptionsChange NONE =
      new OptionsChange(
          Optional.empty(), Optional.empty(), Optional.empty(), Optional.empty(), Optional.empty());

  public OptionsChange withAllowedSources(List<Prefix> blocks) {
    return new OptionsChange(
        Optional.of(blocks), maxConnections, sourceRate, synProxy, proxyProtocolPort);
  }

  public OptionsChange withMaxConnections(OptionalInt limit) {
    return new OptionsChange(
        allowedSources, Optional.of(limit), sourceRate, synProxy, proxyProtocolPort);
  }

  public OptionsChange withSourceRate(Optional<SourceRate> rate) {
    return new OptionsChange(
        allowedSources, maxConnections, Optional.of(rate), synProxy, proxyProtocolPort);
  }

  public OptionsChange withSynProxy(boolean wanted) {
    return new OptionsChange(
        allowedSources, maxConnections, sourceRate, Optional.of(wanted), proxyProtocolPort);
  }

  public OptionsChange withProxyProtocolPort(OptionalInt port) {
    return new OptionsChange(
        allowedSources, maxConnections, sourceRate, synProxy, Optional.of(port));
  }

  /** The options after the change. */
  public MappingOptions applyTo(MappingOptions options) {
    return new MappingOptions(
        allowedSources.orElse(options.allowedSources()),
        maxConnections.orElse(options.maxConnections()),
        sourceRate.orElse(options.sourceRate()),
        synProxy.orElse(options.synProxy()),
        proxyProtocolPort.orElse(options.proxyProtocolPort()));
  }
}

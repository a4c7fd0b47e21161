package dev.sluice.cli;

import static dev.sluice.net.MalformedValueException.quote;

import dev.sluice.model.MappingOptions;
import dev.sluice.model.OptionsChange;
import dev.sluice.model.SourceRate;
import dev.sluice.net.MalformedValueException;
import dev.sluice.net.Port;
import dev.sluice.net.Prefix;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The options that say who may use a published port, and how much. */
final class RestrictionOptions {
  private static final String NONE = "none";

  @Option(
      names = "--allow",
      paramLabel = "PREFIX",
      description =
          "Only sources in this block, such as 10.0.0.0/8, may connect; may be repeated. The host"
              + " itself always may. none: everybody.")
  private List<String> allow = new ArrayList<>();

  @Option(
      names = "--max-connections",
      paramLabel = "N",
      description = "At most N connections at a time on each host port. none: any number.")
  private @Nullable String maxConnections;

  @Option(
      names = "--source-rate",
      paramLabel = "N/UNIT",
      description =
          "At most N new connections per second, minute or hour from one address, as in 20/second."
              + " none: any number.")
  private @Nullable String sourceRate;

  @Option(
      names = "--syn-proxy",
      negatable = true,
      description =
          "Answer first packets with SYN cookies, so that a flood of them from made-up addresses"
              + " opens no connection; tcp only. --no-syn-proxy: without.")
  private @Nullable Boolean synProxy;

  @Option(
      names = "--proxy-protocol",
      paramLabel = "PORT",
      description =
          "Where the userland proxy has to carry a connection, it connects to this port of the"
              + " container instead, and tells the client's address in a PROXY protocol header"
              + " (version 2); one tcp port only. none: without.")
  private @Nullable String proxyProtocol;

  OptionsChange change() {
    OptionsChange change = OptionsChange.NONE;
    if (!allow.isEmpty()) {
      change =
          change.withAllowedSources(
              allow.equals(List.of(NONE))
                  ? List.of()
                  : allow.stream().map(Prefix::parseBlock).toList());
    }
    if (maxConnections != null) {
      change = change.withMaxConnections(limit(maxConnections));
    }
    if (sourceRate != null) {
      change =
          change.withSourceRate(
              sourceRate.equals(NONE)
                  ? Optional.empty()
                  : Optional.of(SourceRate.parse(sourceRate)));
    }
    if (synProxy != null) {
      change = change.withSynProxy(synProxy);
    }
    if (proxyProtocol != null) {
      change =
          change.withProxyProtocolPort(
              proxyProtocol.equals(NONE)
                  ? OptionalInt.empty()
                  : OptionalInt.of(Port.parse(proxyProtocol)));
    }
    return change;
  }

  private static OptionalInt limit(String text) {
    if (text.equals(NONE)) {
      return OptionalInt.empty();
    }
    if (!text.matches("[1-9][0-9]{0,7}")
        || Integer.parseInt(text) > MappingOptions.MAX_CONNECTIONS) {
      throw new MalformedValueException(
          text,
          0,
          quote(text)
              + " is not a number from 1 to "
              + MappingOptions.MAX_CONNECTIONS
              + " or none");
    }
    return OptionalInt.of(Integer.parseInt(text));
  }
}

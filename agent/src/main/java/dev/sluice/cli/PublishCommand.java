package dev.sluice.cli;

import dev.sluice.api.ApiClient;
import dev.sluice.api.Problem;
import dev.sluice.api.ProblemException;
import dev.sluice.model.Balance;
import dev.sluice.model.Destination;
import dev.sluice.model.ExposeSpec;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingName;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishRequest;
import dev.sluice.model.PublishedMapping;
import dev.sluice.net.PortRange;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code sluice publish}. */
@Command(
    name = "publish",
    description = {
      "Publishes ports of a container on this host.",
      "",
      "All ports of one command are published, or none.%n"
    },
    footer = {
      "",
      "A port is written as for docker run -p: [[ADDRESS:][HOSTPORT]:]PORT[/PROTOCOL], each port",
      "also as a range FIRST-LAST. Without an address it is every address of the host; without a",
      "host port, any free one.",
      "",
      "Examples:",
      "  sluice publish -p 8080:80 --to 172.30.0.2 --name web",
      "  sluice publish -p 127.0.0.1:5353:53/udp -p 8000-8010:8000-8010 --to 172.30.0.3",
      "  sluice publish -p [::1]:8080:80 --to fd00::2",
      "  sluice publish -p 8080:80 --to 172.30.0.2 --to fd00::2 --allow 10.0.0.0/8 --allow fd00::/8",
      "  sluice publish -P --expose 80 --expose 443 --to 172.30.0.2",
      "  sluice publish -p 8080:80 --to web",
      "  sluice publish -p 8080:80 --to web1 --to web2 --to web3=2 --balance source"
    })
final class PublishCommand implements Callable<Integer> {
  static final String NOTHING_EXPOSED =
      "-P publishes what --expose names: give at least one, such as --expose 80";

  private final Main main;

  @Option(
      names = {"-p", "--publish"},
      paramLabel = "PORT",
      description = "What to publish; may be repeated.")
  private List<String> ports = new ArrayList<>();

  @Option(
      names = {"-P", "--publish-all"},
      description = "Publish every port given with --expose on a free host port.")
  private boolean publishAll;

  @Option(
      names = "--expose",
      paramLabel = "PORT",
      description = "A port or range the container listens on, for -P; may be repeated.")
  private List<String> exposed = new ArrayList<>();

  @Option(
      names = "--to",
      paramLabel = "ADDRESS|NAME[=WEIGHT]",
      required = true,
      description =
          "The address of the container, one of each family if it has both; or the name of a"
              + " sandbox, which the ports then follow. Several share the connections, each as"
              + " often as the number behind a = says: --to web1=3 --to web2.")
  private List<String> targets = new ArrayList<>();

  @Option(
      names = "--balance",
      paramLabel = "HOW",
      description =
          "How several containers share new connections: round-robin (the default), random, or"
              + " source, by which the same client comes to the same container.")
  private @Nullable String balance;

  @Option(names = "--name", paramLabel = "NAME", description = "What to call it.")
  private @Nullable String name;

  @Mixin private RestrictionOptions restrictions = new RestrictionOptions();

  PublishCommand(Main main) {
    this.main = main;
  }

  @Override
  public Integer call() {
    // Bad input is bad whether or not the agent runs; the agent checks it again.
    List<PortSpec> specs = specs();
    Destination destination =
        Destination.parse(targets).with(Optional.ofNullable(balance).map(Balance::parse));
    PublishRequest request =
        new PublishRequest(
            specs,
            destination,
            Optional.ofNullable(name).map(MappingName::new),
            Owner.CLI,
            restrictions.change().applyTo(MappingOptions.NONE));
    try (ApiClient client = main.client()) {
      var published = client.publish(request);
      if (main.json()) {
        main.terminal().out().println(published.json());
        return ExitCode.OK;
      }
      for (PublishedMapping one : published.value()) {
        main.terminal().out().println(line("published", one.mapping()));
      }
      return ExitCode.OK;
    }
  }

  private List<PortSpec> specs() {
    List<PortSpec> specs = new ArrayList<>(ports.stream().map(PortSpec::parse).toList());
    if (publishAll != !exposed.isEmpty()) {
      throw new ProblemException(
          Problem.of(
              Problem.Kind.MALFORMED_REQUEST,
              publishAll
                  ? NOTHING_EXPOSED
                  : "--expose alone publishes nothing: add -P, or publish with -p"));
    }
    exposed.forEach(text -> specs.addAll(onFreePorts(ExposeSpec.parse(text))));
    if (specs.isEmpty()) {
      throw new ProblemException(
          Problem.of(
              Problem.Kind.MALFORMED_REQUEST,
              "nothing to publish: give at least one port, such as -p 8080:80"));
    }
    return specs;
  }

  /** Each of the ports on any free port of the host. */
  static List<PortSpec> onFreePorts(ExposeSpec exposed) {
    List<PortSpec> specs = new ArrayList<>();
    for (int port = exposed.ports().first(); port <= exposed.ports().last(); port++) {
      specs.add(
          new PortSpec(
              Optional.empty(), PortSpec.ANY_FREE, PortRange.of(port), exposed.protocol()));
    }
    return specs;
  }

  /** {@code published web 0.0.0.0:8080->172.30.0.2:80/tcp (id a1b2c3d400000001)}. */
  static String line(String done, Mapping mapping) {
    String from = mapping.key().toString();
    return done
        + mapping.name().map(text -> " " + text).orElse("")
        + "  "
        + from.substring(0, from.lastIndexOf('/'))
        + "->"
        + mapping.targetText()
        + "/"
        + mapping.protocol()
        + "  (id "
        + mapping.id()
        + ")";
  }
}

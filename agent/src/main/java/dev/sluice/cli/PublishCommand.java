package dev.sluice.cli;

import dev.sluice.api.ApiClient;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingName;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishedMapping;
import dev.sluice.model.Target;
import dev.sluice.net.IpAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
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
      "  sluice publish -p [::1]:8080:80 --to fd00::2"
    })
final class PublishCommand implements Callable<Integer> {
  private final Main main;

  @Option(
      names = {"-p", "--publish"},
      paramLabel = "PORT",
      required = true,
      description = "What to publish; may be repeated.")
  private List<String> ports = new ArrayList<>();

  @Option(
      names = "--to",
      paramLabel = "ADDRESS",
      required = true,
      description = "The address of the container.")
  private String target = "";

  @Option(names = "--name", paramLabel = "NAME", description = "What to call it.")
  private @Nullable String name;

  PublishCommand(Main main) {
    this.main = main;
  }

  @Override
  public Integer call() {
    // Bad input is bad whether or not the agent runs; the agent checks it again.
    ports.forEach(PortSpec::parse);
    IpAddress.parse(target);
    Optional<String> chosenName =
        Optional.ofNullable(name).map(text -> new MappingName(text).text());
    try (ApiClient client = main.client()) {
      var published = client.publish(ports, target, chosenName);
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

  /** {@code published web 0.0.0.0:8080->172.30.0.2:80/tcp (id a1b2c3d400000001)}. */
  static String line(String done, Mapping mapping) {
    String from = mapping.key().toString();
    String to = new Target(mapping.targetAddress(), mapping.targetPorts()).toString();
    return done
        + mapping.name().map(text -> " " + text).orElse("")
        + "  "
        + from.substring(0, from.lastIndexOf('/'))
        + "->"
        + to
        + "/"
        + mapping.protocol()
        + "  (id "
        + mapping.id()
        + ")";
  }
}

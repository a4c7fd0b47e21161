package dev.sluice.cli;

import dev.sluice.api.ApiClient;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code sluice inspect}. */
@Command(
    name = "inspect",
    description = {
      "Shows everything about what is published, as JSON.",
      "",
      "The format docker is that of docker inspect's NetworkSettings.Ports, one object for each",
      "name: {\"80/tcp\": [{\"HostIp\": \"0.0.0.0\", \"HostPort\": \"8080\"}]}.%n"
    },
    footer = {
      "",
      "Examples:",
      "  sluice inspect web",
      "  sluice inspect web a1b2c3d4",
      "  sluice inspect --format docker web"
    })
final class InspectCommand implements Callable<Integer> {
  private final Main main;

  @Parameters(arity = "1..*", paramLabel = "NAME|ID", description = "What was published.")
  private List<String> mappings = new ArrayList<>();

  @Option(
      names = "--format",
      paramLabel = "json|docker",
      description = "An array of all that is known (json, the default), or Docker's form.")
  private Format format = Format.JSON;

  /** How to show it. */
  enum Format {
    JSON,
    DOCKER
  }

  InspectCommand(Main main) {
    this.main = main;
  }

  @Override
  public Integer call() {
    List<String> documents = new ArrayList<>();
    try (ApiClient client = main.client()) {
      for (String mapping : mappings) {
        documents.add(
            format == Format.DOCKER
                ? DockerPorts.of(client.find(mapping).value())
                : client.findWithTraffic(mapping).json());
      }
    }
    if (format == Format.DOCKER) {
      documents.forEach(main.terminal().out()::println);
    } else {
      main.terminal().out().println(PrettyJson.joinedMappings(documents));
    }
    return ExitCode.OK;
  }
}

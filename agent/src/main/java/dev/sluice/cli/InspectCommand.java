package dev.sluice.cli;

import dev.sluice.api.ApiClient;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** {@code sluice inspect}. */
@Command(
    name = "inspect",
    description = "Shows everything about what is published, as a JSON array.%n",
    footer = {"", "Examples:", "  sluice inspect web", "  sluice inspect web a1b2c3d4"})
final class InspectCommand implements Callable<Integer> {
  private final Main main;

  @Parameters(arity = "1..*", paramLabel = "NAME|ID", description = "What was published.")
  private List<String> mappings = new ArrayList<>();

  InspectCommand(Main main) {
    this.main = main;
  }

  @Override
  public Integer call() {
    List<String> documents = new ArrayList<>();
    try (ApiClient client = main.client()) {
      for (String mapping : mappings) {
        documents.add(client.find(mapping).json());
      }
    }
    main.terminal().out().println(PrettyJson.joinedMappings(documents));
    return ExitCode.OK;
  }
}

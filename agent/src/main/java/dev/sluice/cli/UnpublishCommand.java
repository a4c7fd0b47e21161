package dev.sluice.cli;

import dev.sluice.api.ApiClient;
import dev.sluice.model.PublishedMapping;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** {@code sluice unpublish}. */
@Command(
    name = "unpublish",
    description = "Takes published ports back and ends the connections through them.%n",
    footer = {
      "",
      "An id may be cut to its first digits, at least 4, while it stays the only one.",
      "",
      "Examples:",
      "  sluice unpublish web",
      "  sluice unpublish a1b2c3d4 db"
    })
final class UnpublishCommand implements Callable<Integer> {
  private final Main main;

  @Parameters(arity = "1..*", paramLabel = "NAME|ID", description = "What to take back.")
  private List<String> mappings = new ArrayList<>();

  UnpublishCommand(Main main) {
    this.main = main;
  }

  @Override
  public Integer call() {
    try (ApiClient client = main.client()) {
      for (String mapping : mappings) {
        var removed = client.unpublish(mapping);
        if (main.json()) {
          main.terminal().out().println(removed.json());
          continue;
        }
        for (PublishedMapping one : removed.value()) {
          main.terminal().out().println(PublishCommand.line("unpublished", one.mapping()));
        }
      }
      return ExitCode.OK;
    }
  }
}

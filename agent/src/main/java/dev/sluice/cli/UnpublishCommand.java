package dev.sluice.cli;

import dev.sluice.api.ApiClient;
import dev.sluice.model.DrainTime;
import dev.sluice.model.PublishedMapping;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Stack;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.IParameterPreprocessor;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code sluice unpublish}. */
@Command(
    name = "unpublish",
    description = {
      "Takes published ports back and ends the connections through them.",
      "",
      "With --drain, tcp connections live on, for a time or as long as they like.%n"
    },
    footer = {
      "",
      "An id may be cut to its first digits, at least 4, while it stays the only one.",
      "",
      "Examples:",
      "  sluice unpublish web",
      "  sluice unpublish a1b2c3d4 db",
      "  sluice unpublish --drain=30s web"
    })
final class UnpublishCommand implements Callable<Integer> {
  private static final String FOREVER = "forever";

  private final Main main;

  /** Only what is attached with = is the time: in "--drain web" the second word is a name. */
  static final class AttachedOnly implements IParameterPreprocessor {
    @Override
    public boolean preprocess(
        Stack<String> args, CommandSpec command, ArgSpec option, Map<String, Object> info) {
      if (!"=".equals(info.get("separator"))) {
        args.push(FOREVER);
      }
      return false;
    }
  }

  @Parameters(arity = "1..*", paramLabel = "NAME|ID", description = "What to take back.")
  private List<String> mappings = new ArrayList<>();

  @Option(
      names = "--drain",
      arity = "0..1",
      fallbackValue = FOREVER,
      preprocessor = AttachedOnly.class,
      paramLabel = "TIME",
      description =
          "Let tcp connections live on: for a time such as 30s, 5m or 2h, or as long as they like.")
  private @Nullable String drain;

  UnpublishCommand(Main main) {
    this.main = main;
  }

  @Override
  public Integer call() {
    DrainTime time = drain == null ? null : DrainTime.parse(drain);
    try (ApiClient client = main.client()) {
      for (String mapping : mappings) {
        var removed = time == null ? client.unpublish(mapping) : client.drain(mapping, time);
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

package dev.sluice.cli;

import dev.sluice.api.ApiClient;
import dev.sluice.api.Problem;
import dev.sluice.api.ProblemException;
import dev.sluice.flow.EventKind;
import dev.sluice.flow.export.FlowJson;
import java.io.PrintWriter;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code sluice events}. */
@Command(
    name = "events",
    description = {
      "Follows what happens to the connections of this host, until Ctrl-C.",
      "",
      "A line with \"gap\" says that events are missing there, how many, and why.%n"
    },
    footer = {
      "",
      "Examples:",
      "  sluice events --mapping web",
      "  sluice events --json | jq -c 'select(.event == \"destroy\")'",
      "  sluice events --from 1042 --json"
    })
final class EventsCommand implements Callable<Integer> {
  private final Main main;
  @Mixin private FlowFilterOptions filter = new FlowFilterOptions();

  @Option(
      names = "--from",
      paramLabel = "SEQ",
      description = "Begin with this sequence number, as far as it is still kept.")
  private @Nullable Long from;

  @Option(
      names = "--kind",
      paramLabel = "KIND",
      split = ",",
      description = "Only new, update or destroy; several with commas. Gaps are always told.")
  private List<String> kinds = List.of();

  EventsCommand(Main main) {
    this.main = main;
  }

  @Override
  public Integer call() {
    if (from != null && from < 0) {
      throw new ProblemException(
          Problem.of(
              Problem.Kind.MALFORMED_REQUEST, "--from must be a sequence number, not " + from));
    }
    var wanted =
        filter.filter().kinds(kinds.stream().map(EventKind::parse).collect(Collectors.toSet()));
    PrintWriter out = main.terminal().out();
    Thread onInterrupt = new Thread(() -> Runtime.getRuntime().halt(ExitCode.OK));
    Runtime.getRuntime().addShutdownHook(onInterrupt);
    try (ApiClient client = main.client()) {
      client.events(
          wanted,
          from == null ? OptionalLong.empty() : OptionalLong.of(from),
          line -> {
            out.println(main.json() ? line : readable(line));
            // A reader that has seen enough, as head(1), ends the stream.
            return !out.checkError();
          });
      return ExitCode.OK;
    } finally {
      removeHook(onInterrupt);
    }
  }

  private String readable(String line) {
    try {
      return FlowText.line(FlowJson.readEvent(line), main.terminal());
    } catch (IllegalArgumentException e) {
      // Of an agent newer than we are.
      return line;
    }
  }

  static void removeHook(Thread hook) {
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // We are being shut down, and the hook is what ends us.
      Thread.currentThread().interrupt();
    }
  }
}

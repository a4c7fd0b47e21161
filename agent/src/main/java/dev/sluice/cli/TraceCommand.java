package dev.sluice.cli;

import dev.sluice.api.ApiClient;
import dev.sluice.api.TraceJson;
import dev.sluice.model.ExposeSpec;
import dev.sluice.model.TraceEvent;
import dev.sluice.model.TraceQuestion;
import dev.sluice.net.IpAddress;
import dev.sluice.net.MalformedValueException;
import java.io.PrintWriter;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code sluice trace}. */
@Command(
    name = "trace",
    description = {
      "Follows packets to a published port and their answers through this host: every chain and",
      "rule that they meet, of whatever table, what they are translated to, and where they end.",
      "",
      "Ends after so many packets, after so long, or with Ctrl-C; nothing is left behind.%n"
    },
    footer = {
      "",
      "Examples:",
      "  sluice trace 8080",
      "  sluice trace 53/udp --from 198.18.0.2 --count 2",
      "  sluice trace 8080 --json | jq -c 'select(.end.outcome == \"dropped\") | .end'"
    })
final class TraceCommand implements Callable<Integer> {
  private final Main main;

  @Parameters(
      index = "0",
      paramLabel = "PORT[/PROTOCOL]",
      description = "The port of the host, and tcp (if not said), udp or sctp.")
  private String port = "";

  @Option(names = "--from", paramLabel = "ADDRESS", description = "Only packets from this address.")
  private @Nullable String from;

  @Option(
      names = "--count",
      paramLabel = "NUMBER",
      description = "End after so many packets (default: 100).")
  private int count = TraceQuestion.DEFAULT_PACKETS;

  @Option(
      names = "--rate",
      paramLabel = "NUMBER",
      description = "So many packets each way a second at most (default: 10); others are counted.")
  private int rate = TraceQuestion.DEFAULT_PACKETS_PER_SECOND;

  @Option(names = "--for", paramLabel = "SECONDS", description = "End after so long (default: 60).")
  private int seconds = TraceQuestion.DEFAULT_SECONDS;

  @Option(names = "--any", description = "Even if the port is not published.")
  private boolean any;

  TraceCommand(Main main) {
    this.main = main;
  }

  @Override
  public Integer call() {
    TraceQuestion question = question();
    PrintWriter out = main.terminal().out();
    TraceText text = new TraceText(main.terminal());
    Thread onInterrupt = new Thread(() -> Runtime.getRuntime().halt(ExitCode.OK));
    Runtime.getRuntime().addShutdownHook(onInterrupt);
    boolean[] failed = new boolean[1];
    try (ApiClient client = main.client()) {
      client.trace(
          question,
          any,
          line -> {
            Optional<TraceEvent> event = event(line);
            failed[0] =
                event.isPresent()
                    && event.get() instanceof TraceEvent.Ended ended
                    && ended.reason() == TraceEvent.Reason.FAILED;
            out.println(main.json() ? line : event.map(text::of).orElse(line));
            // A reader that has seen enough, as head(1), ends the trace.
            return !out.checkError();
          });
      return failed[0] ? ExitCode.FAILED : ExitCode.OK;
    } finally {
      EventsCommand.removeHook(onInterrupt);
    }
  }

  private TraceQuestion question() {
    ExposeSpec wanted = ExposeSpec.parse(port);
    if (!wanted.ports().isSingle()) {
      throw new MalformedValueException(
          port, 0, "packets to one port can be followed at a time, not to " + wanted.ports());
    }
    return new TraceQuestion(
        wanted.protocol(),
        wanted.ports().first(),
        Optional.ofNullable(from).map(IpAddress::parse),
        rate,
        count,
        seconds);
  }

  /** Empty for a line of an agent newer than we are. */
  private static Optional<TraceEvent> event(String line) {
    try {
      return Optional.of(TraceJson.read(line));
    } catch (IllegalArgumentException e) {
      return Optional.empty();
    }
  }
}

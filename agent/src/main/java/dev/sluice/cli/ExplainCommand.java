package dev.sluice.cli;

import dev.sluice.api.ApiClient;
import dev.sluice.model.ExposeSpec;
import dev.sluice.model.PathQuestion;
import dev.sluice.model.PathReport;
import dev.sluice.model.PathReport.Outcome;
import dev.sluice.model.PathReport.Step;
import dev.sluice.model.PathReport.Way;
import dev.sluice.net.IpAddress;
import dev.sluice.net.MalformedValueException;
import java.io.PrintWriter;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code sluice explain}. */
@Command(
    name = "explain",
    description = {
      "Says what becomes of the first packet to a port, hook by hook, and what to do if it does not"
          + " arrive.",
      "",
      "Every table of the host is looked at, whoever made it. Exits with 1 if a packet that was asked"
          + " about does not arrive.%n"
    },
    footer = {
      "",
      "Examples:",
      "  sluice explain 8080",
      "  sluice explain 53/udp --from 198.18.0.2",
      "  sluice explain 80 --from web --to 10.201.0.3",
      "  sluice explain 5000 --from web --to 10.201.0.1"
    })
final class ExplainCommand implements Callable<Integer> {
  private final Main main;

  @Parameters(
      index = "0",
      paramLabel = "PORT[/PROTOCOL]",
      description = "The port it is sent to; tcp if not said.")
  private String port = "";

  @Option(
      names = "--from",
      paramLabel = "ADDRESS|SANDBOX|host",
      description =
          "Who sends it. Otherwise everybody is asked about: the outside, containers, this host.")
  private @Nullable String from;

  @Option(
      names = "--to",
      paramLabel = "ADDRESS",
      description = "The address it is sent to; otherwise where the port is published.")
  private @Nullable String to;

  ExplainCommand(Main main) {
    this.main = main;
  }

  @Override
  public Integer call() {
    ExposeSpec wanted = ExposeSpec.parse(port);
    if (wanted.ports().size() != 1) {
      throw new MalformedValueException(port, 0, "ask about one port at a time");
    }
    PathQuestion question =
        new PathQuestion(
            wanted.ports().first(),
            wanted.protocol(),
            Optional.ofNullable(from),
            Optional.ofNullable(to).map(IpAddress::parse));
    try (ApiClient client = main.client()) {
      var answer = client.explain(question);
      PrintWriter out = main.terminal().out();
      if (main.json()) {
        out.println(answer.json());
      } else {
        print(out, answer.value());
      }
      boolean arrives =
          answer.value().ways().stream().allMatch(way -> way.outcome() == Outcome.ARRIVES);
      return arrives ? ExitCode.OK : ExitCode.FAILED;
    }
  }

  private void print(PrintWriter out, PathReport report) {
    boolean first = true;
    for (Way way : report.ways()) {
      if (!first) {
        out.println();
      }
      first = false;
      print(out, way);
    }
  }

  private void print(PrintWriter out, Way way) {
    out.println(
        main.terminal().in(Terminal.Colour.CYAN, way.title())
            + ": "
            + way.from()
            + " → "
            + way.to()
            + " port "
            + way.port()
            + "/"
            + way.protocol());
    int hooks = way.steps().stream().mapToInt(step -> step.hook().length()).max().orElse(0);
    int places = way.steps().stream().mapToInt(step -> place(step).length()).max().orElse(0);
    String before = way.steps().isEmpty() ? "" : way.steps().get(0).packet();
    for (Step step : way.steps()) {
      out.println(
          "  "
              + pad(step.hook(), hooks)
              + "  "
              + pad(place(step), places)
              + "  "
              + (step.rule().isEmpty() ? "" : step.rule() + ": ")
              + step.effect());
      if (!step.packet().equals(before)) {
        out.println("  " + pad("", hooks) + "  " + pad("", places) + "  now " + step.packet());
        before = step.packet();
      }
    }
    boolean arrives = way.outcome() == Outcome.ARRIVES;
    String mark =
        arrives
            ? main.terminal().in(Terminal.Colour.GREEN, "✓")
            : main.terminal().in(Terminal.Colour.RED, "✗");
    out.println(mark + " " + way.verdict());
    for (String condition : way.conditions()) {
      out.println("  " + main.terminal().in(Terminal.Colour.YELLOW, "?") + " " + condition);
    }
    if (!way.remedy().isEmpty()) {
      out.println("  → " + way.remedy());
    }
  }

  private static String place(Step step) {
    return step.priority().isPresent()
        ? pad(String.valueOf(step.priority().getAsInt()), 4) + " " + step.place()
        : step.place();
  }

  private static String pad(String text, int width) {
    return text + " ".repeat(Math.max(0, width - text.length()));
  }
}

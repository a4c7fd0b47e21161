package dev.sluice.cli;

import dev.sluice.api.ApiClient;
import dev.sluice.api.Problem;
import dev.sluice.api.ProblemException;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code sluice top}. */
@Command(
    name = "top",
    description = {
      "Shows what goes through the published ports at this moment, until q or Ctrl-C.",
      "",
      "Rates are of the last interval. Each view walks once through the open connections, to see",
      "what they carry: with a million of them, choose a longer interval.%n"
    },
    footer = {
      "",
      "Examples:",
      "  sluice top",
      "  sluice top --interval 10",
      "  sluice top --once",
      "  sluice top --json | jq -c '.mappings[] | [.name, .connectionsPerSecond]'"
    })
final class TopCommand implements Callable<Integer> {
  private static final int MAX_INTERVAL_SECONDS = 3600;

  // xterm and everything since: another screen, hidden cursor; and back.
  private static final String ENTER = "\033[?1049h\033[?25l";
  private static final String LEAVE = "\033[?25h\033[?1049l";
  private static final String HOME = "\033[H";
  private static final String CLEAR_LINE = "\033[K";
  private static final String CLEAR_REST = "\033[J";

  private final Main main;

  @Option(
      names = "--interval",
      paramLabel = "SECONDS",
      description = "How often to look, 1 to 3600 (default: ${DEFAULT-VALUE}).")
  private int intervalSeconds = 1;

  @Option(names = "--once", description = "One view, of one interval, and the end.")
  private boolean once;

  TopCommand(Main main) {
    this.main = main;
  }

  @Override
  public Integer call() throws IOException, InterruptedException {
    if (intervalSeconds < 1 || intervalSeconds > MAX_INTERVAL_SECONDS) {
      throw new ProblemException(
          Problem.of(
              Problem.Kind.MALFORMED_REQUEST,
              "--interval must be 1 to " + MAX_INTERVAL_SECONDS + ", not " + intervalSeconds));
    }
    try (ApiClient client = main.client()) {
      if (main.terminal().colours() && !main.json() && !once) {
        watch(client);
      } else {
        print(client);
      }
      return ExitCode.OK;
    }
  }

  /** One view below the other, for pipes and files. */
  private void print(ApiClient client) throws InterruptedException {
    PrintWriter out = main.terminal().out();
    TopSample before = TopSample.take(client);
    while (true) {
      TimeUnit.SECONDS.sleep(intervalSeconds);
      TopSample after = TopSample.take(client);
      TopReport report = TopReport.between(before, after);
      before = after;
      if (main.json()) {
        out.println(report.toJson(main.terminal().clock().instant()));
      } else {
        TopText.lines(report, main.terminal(), Integer.MAX_VALUE, Integer.MAX_VALUE)
            .forEach(out::println);
      }
      // A reader that has seen enough, as head(1), ends it.
      if (out.checkError() || once) {
        return;
      }
      if (!main.json()) {
        out.println();
      }
    }
  }

  /** One view in place of the other. */
  private void watch(ApiClient client) throws IOException, InterruptedException {
    PrintWriter out = main.terminal().out();
    Keyboard keyboard = new Keyboard(System.in, out, System.getenv(Keyboard.RAW_KEYS) != null);
    TopSample before = TopSample.take(client);
    TopReport report = TopReport.between(before, before);
    Thread onInterrupt = new Thread(() -> leaveAndHalt(out));
    Runtime.getRuntime().addShutdownHook(onInterrupt);
    out.print(ENTER);
    try {
      while (true) {
        Keyboard.Size size = keyboard.size();
        paint(out, TopText.lines(report, main.terminal(), size.rows(), size.columns()));
        if (out.checkError() || keyboard.isQuitWithin(TimeUnit.SECONDS.toMillis(intervalSeconds))) {
          return;
        }
        TopSample after = TopSample.take(client);
        report = TopReport.between(before, after);
        before = after;
      }
    } finally {
      out.print(LEAVE);
      out.flush();
      removeHook(onInterrupt);
    }
  }

  /** No newline behind the last line, which would scroll a window that is full. */
  private static void paint(PrintWriter out, List<String> lines) {
    out.print(HOME);
    out.print(String.join(CLEAR_LINE + "\r\n", lines));
    out.print(CLEAR_LINE + CLEAR_REST);
    out.flush();
  }

  private static void leaveAndHalt(PrintWriter out) {
    out.print(LEAVE);
    out.flush();
    Runtime.getRuntime().halt(ExitCode.OK);
  }

  private static void removeHook(Thread hook) {
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // We are being shut down, and the hook is what ends us.
      Thread.currentThread().interrupt();
    }
  }
}

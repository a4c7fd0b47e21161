package dev.sluice.cli.demo;

import dev.sluice.api.ProblemException;
import java.io.PrintWriter;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code sluice demo}. */
@Command(
    name = "demo",
    description = {
      "Shows what the agent does, in network namespaces of its own.",
      "",
      "It publishes the port of a container, fetches from it, and then has the firewall flushed and",
      "the agent killed while a download runs. It takes everything away again, also after Ctrl-C.",
      "Needs root and nft.%n"
    },
    footer = {"", "Examples:", "  sluice demo", "  sluice demo --keep"})
public final class DemoCommand implements Callable<Integer> {
  private static final int DONE = 0;
  private static final int FAILED = 1;

  private final PrintWriter out;
  private final PrintWriter err;
  private final boolean colours;

  @Option(names = "--keep", description = "Leave it up until Ctrl-C, and say what to try.")
  private boolean keep;

  @Option(names = "--no-color", description = "No colours, also on a terminal.")
  private boolean noColour;

  @Option(
      names = "--ownership",
      paramLabel = "auto|off",
      defaultValue = "auto",
      description = "How the agent guards its table; see sluice agent --help (default: auto).")
  private String ownership = "auto";

  /**
   * Makes the command.
   *
   * @param colours whether {@code out} is a terminal that wants colours
   */
  public DemoCommand(PrintWriter out, PrintWriter err, boolean colours) {
    this.out = out;
    this.err = err;
    this.colours = colours;
  }

  @Override
  public Integer call() {
    Narrator narrator = new Narrator(out, colours && !noColour);
    Cleanup cleanup = new Cleanup();
    Thread hook = new Thread(() -> stop(cleanup), "demo cleanup");
    Runtime.getRuntime().addShutdownHook(hook);
    int exitCode = run(narrator, cleanup);
    if (exitCode == DONE) {
      narrator.line("");
      narrator.line("Namespaces, processes and files of the demo are gone again.");
    }
    return exitCode;
  }

  private int run(Narrator narrator, Cleanup cleanup) {
    try {
      Demo demo = new Demo(narrator, cleanup, ownership);
      demo.play();
      if (keep) {
        demo.sayWhatToTry();
        // Until Ctrl-C, when the shutdown hook takes everything away.
        new CountDownLatch(1).await();
      }
    } catch (Exception e) {
      awaitEndIfStopped(cleanup);
      err.println();
      err.println("sluice: the demo failed at: " + narrator.currentStep());
      err.println("sluice: " + reason(e));
      if (System.getenv("SLUICE_DEBUG") != null) {
        e.printStackTrace(err);
      }
      err.flush();
      cleanUp(cleanup);
      return FAILED;
    }
    return cleanUp(cleanup) ? DONE : FAILED;
  }

  /** What fails because everything is being taken away is no failure worth telling. */
  private static void awaitEndIfStopped(Cleanup cleanup) {
    if (cleanup.isOver()) {
      try {
        new CountDownLatch(1).await();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private static String reason(Exception e) {
    if (e instanceof DemoFailure || e instanceof ProblemException) {
      return String.valueOf(e.getMessage());
    }
    return e.toString();
  }

  /** The shutdown hook; finds nothing to do unless the demo was stopped. */
  private void stop(Cleanup cleanup) {
    if (!cleanup.isOver()) {
      err.println();
      err.println("stopped; taking everything away");
      err.flush();
    }
    cleanUp(cleanup);
  }

  private boolean cleanUp(Cleanup cleanup) {
    List<String> failures = cleanup.run();
    for (String failure : failures) {
      err.println("sluice: could not take away the " + failure);
    }
    err.flush();
    return failures.isEmpty();
  }
}

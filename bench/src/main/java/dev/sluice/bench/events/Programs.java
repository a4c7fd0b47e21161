package dev.sluice.bench.events;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.sluice.bench.Workbench;
import dev.sluice.bench.agent.BenchNamespace;
import java.io.BufferedReader;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/**
 * A program that listens until SIGTERM, started anew for each load.
 *
 * @param bufferBytes receive buffer that it is given; 0 for the one it has by itself
 * @param command what it is called with
 * @param reader reads its text and counts the lines; empty if it counts itself (tally.h)
 * @param admits whether what it calls lost is all that is missing
 */
record Programs(
    String label, int bufferBytes, List<String> command, List<String> reader, boolean admits)
    implements Contender {

  static Programs writing(Workbench workbench, String label, int bufferBytes, String... command) {
    String follow = workbench.nativeDirectory().resolve("follow").toString();
    return new Programs(label, bufferBytes, List.of(command), List.of(follow, "text"), false);
  }

  static Programs counting(
      Workbench workbench, String label, int bufferBytes, String program, boolean admits) {
    String command = workbench.nativeDirectory().resolve(program).toString();
    return new Programs(label, bufferBytes, List.of(command), List.of(), admits);
  }

  @Override
  public Session open(BenchNamespace namespace) {
    return new Session() {
      @Override
      public Listening listen() throws IOException {
        return start(namespace);
      }

      @Override
      public void close() {}
    };
  }

  private Listening start(BenchNamespace namespace) throws IOException {
    List<ProcessBuilder> builders = new ArrayList<>();
    builders.add(pinned(namespace, command));
    if (!reader.isEmpty()) {
      builders.add(pinned(namespace, reader));
    }
    // What conntrack says at its end, or ulogd at its beginning, is of no interest.
    builders.forEach(builder -> builder.redirectError(ProcessBuilder.Redirect.DISCARD));
    List<Process> processes = ProcessBuilder.startPipeline(builders);
    Process listener = processes.get(0);
    Process counter = processes.get(processes.size() - 1);
    return new Listening() {
      @Override
      public long pid() {
        return listener.pid();
      }

      @Override
      public Tally end(Flood.Ledger ledger) throws IOException {
        listener.toHandle().destroy(); // Process.destroy() would close what it prints
        try (BufferedReader counted = counter.inputReader(UTF_8)) {
          String line = counted.readLine();
          if (line == null) {
            throw new IOException(label + " ended without a count");
          }
          return Tally.parse(line, ledger, admits);
        }
      }
    };
  }

  static ProcessBuilder pinned(BenchNamespace namespace, List<String> command) {
    List<String> whole = new ArrayList<>(List.of("taskset", "-c", PROCESSOR));
    whole.addAll(command);
    return new ProcessBuilder(namespace.inside(whole));
  }
}

package dev.sluice.bench.events;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.sluice.bench.JavaRuntime;
import dev.sluice.bench.Workbench;
import dev.sluice.bench.agent.AgentProcess;
import dev.sluice.bench.agent.BenchNamespace;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalDouble;
import java.util.OptionalLong;

/** {@code ./sluice agent} with one consumer or none, warmed by a load of its own. */
final class WholeAgent implements Contender {
  /** What a consumer asks for, as bench/native/follow.c calls it. */
  enum Consumer {
    NONE,
    LINES,
    FRAMES
  }

  private static final long COMPARISON_NANOS = 5_000_000_000L;
  private static final long POLL_MILLIS = 20;
  private static final Flood WARM_UP = Flood.paced(100_000, 2);

  private final Workbench workbench;
  private final JavaRuntime runtime;
  private final String label;
  private final Consumer consumer;
  private final List<String> options;

  /**
   * @param options of {@code sluice agent}
   */
  WholeAgent(
      Workbench workbench,
      JavaRuntime runtime,
      String label,
      Consumer consumer,
      String... options) {
    this.options = List.of(options);
    this.workbench = workbench;
    this.runtime = runtime;
    this.label = label;
    this.consumer = consumer;
  }

  @Override
  public String label() {
    return label;
  }

  @Override
  public int bufferBytes() {
    return 0;
  }

  @Override
  public Running open(BenchNamespace namespace) throws IOException, InterruptedException {
    AgentProcess agent =
        AgentProcess.startPinned(namespace, PROCESSOR, options, workbench, runtime);
    Running running = new Running(agent, namespace);
    try {
      Listening listening = running.listen();
      listening.end(WARM_UP.run(workbench, namespace, agent.pid(), bufferBytes()));
      return running;
    } catch (IOException | InterruptedException | RuntimeException e) {
      agent.close();
      throw e;
    }
  }

  /** An agent that runs. */
  final class Running implements Session {
    private final AgentProcess agent;
    private final BenchNamespace namespace;

    private Running(AgentProcess agent, BenchNamespace namespace) {
      this.agent = agent;
      this.namespace = namespace;
    }

    double residentMegabytes() throws IOException {
      return agent.residentMegabytes();
    }

    @Override
    public Listening listen() throws IOException {
      return consumer == Consumer.NONE ? alone() : consumed();
    }

    @Override
    public void close() throws IOException {
      agent.close();
    }

    private Listening alone() throws IOException {
      Metrics before = metrics();
      return new Listening() {
        @Override
        public long pid() {
          return agent.pid();
        }

        @Override
        public Tally end(Flood.Ledger ledger) throws IOException {
          Metrics after = metrics();
          return new Tally(
              after.received() - before.received(),
              OptionalLong.of(after.openFlows()),
              OptionalLong.of(after.lost() - before.lost()),
              0,
              0,
              OptionalDouble.empty(),
              OptionalDouble.empty());
        }
      };
    }

    private Listening consumed() throws IOException {
      String form = consumer == Consumer.LINES ? "lines" : "frames";
      Process process =
          Programs.pinned(
                  namespace,
                  List.of(
                      workbench.nativeDirectory().resolve("follow").toString(),
                      form,
                      agent.socket().toString()))
              .redirectError(ProcessBuilder.Redirect.INHERIT)
              .start();
      BufferedReader printed = process.inputReader(UTF_8);
      if (printed.readLine() == null) {
        throw new IOException("the consumer got no answer from the agent");
      }
      return new Listening() {
        @Override
        public long pid() {
          return agent.pid();
        }

        @Override
        public Tally end(Flood.Ledger ledger) throws IOException, InterruptedException {
          awaitComparison();
          process.toHandle().destroy(); // Process.destroy() would close what it prints
          String line = printed.readLine();
          if (line == null) {
            throw new IOException("the agent's consumer ended without a count");
          }
          return Tally.parse(line, ledger, true);
        }
      };
    }

    /** After a loss the agent compares with the kernel's table; ends of this load come of it. */
    private void awaitComparison() throws IOException, InterruptedException {
      long deadline = System.nanoTime() + COMPARISON_NANOS;
      while (metrics().openFlows() > 0 && System.nanoTime() < deadline) {
        Thread.sleep(POLL_MILLIS);
      }
    }

    private Metrics metrics() throws IOException {
      String page = get(agent.socket(), "/metrics");
      return new Metrics(
          sum(page, "sluice_flow_events_received_total"),
          sum(page, "sluice_flow_events_lost_total"),
          sum(page, "sluice_flows"));
    }
  }

  /** docs/metrics.md. */
  private record Metrics(long received, long lost, long openFlows) {}

  /** The sum over all labels. */
  private static long sum(String page, String name) {
    return page.lines()
        .filter(line -> line.startsWith(name + " ") || line.startsWith(name + "{"))
        .mapToLong(line -> (long) Double.parseDouble(line.substring(line.lastIndexOf(' ') + 1)))
        .sum();
  }

  private static String get(Path socket, String path) throws IOException {
    try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(socket))) {
      String request = "GET " + path + " HTTP/1.0\r\nHost: sluice\r\n\r\n";
      channel.write(ByteBuffer.wrap(request.getBytes(UTF_8)));
      return new String(Channels.newInputStream(channel).readAllBytes(), UTF_8);
    }
  }
}

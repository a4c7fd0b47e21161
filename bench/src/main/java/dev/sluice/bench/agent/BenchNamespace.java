package dev.sluice.bench.agent;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedReader;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/**
 * A network namespace of its own for what is measured: one that ends with its program, or one that
 * programs come and go in, until it is closed.
 */
public final class BenchNamespace implements AutoCloseable {
  /** The address on the namespace's bridge that is published to. */
  public static final String TARGET = "172.30.0.2";

  /** Printed on standard error when the namespace is set up and the program is about to start. */
  static final String STARTING = "starting";

  private static final String LOOPBACK = "ip link set lo up";

  /** A bridge with a wire to nowhere. */
  private static final String BRIDGE =
      String.join(
          " && ",
          LOOPBACK,
          "ip link add br0 type bridge",
          "ip addr add 172.30.0.1/24 dev br0",
          "ip link add port0 type veth peer name far0",
          "ip link set far0 up",
          "ip link set port0 master br0 up",
          "ip link set br0 up");

  private final Process holder;

  private BenchNamespace(Process holder) {
    this.holder = holder;
  }

  /** Makes one that outlives the programs in it, and ends with this JVM at the latest. */
  public static BenchNamespace open() throws IOException {
    return open(BRIDGE);
  }

  /** As {@link #open()}, but with nothing in it than loopback. */
  public static BenchNamespace openBare() throws IOException {
    return open(LOOPBACK);
  }

  private static BenchNamespace open(String setup) throws IOException {
    // It reads a pipe of ours, to which nobody writes.
    Process holder = start(setup, List.of("cat"));
    BufferedReader messages = holder.errorReader(UTF_8);
    List<String> seen = new ArrayList<>();
    for (String line = messages.readLine(); line != null; line = messages.readLine()) {
      if (line.equals(STARTING)) {
        return new BenchNamespace(holder);
      }
      seen.add(line);
    }
    throw new IOException("no namespace could be made: " + String.join("\n", seen));
  }

  /** A command line that runs another one inside. */
  public List<String> inside(List<String> command) {
    List<String> whole = new ArrayList<>();
    whole.addAll(List.of("nsenter", "--net=" + path(), "--"));
    whole.addAll(command);
    return whole;
  }

  /** A name of this namespace, for programs that want one. */
  public String path() {
    return "/proc/" + holder.pid() + "/ns/net";
  }

  /** A process that is in it from its beginning to its end, for programs that want a number. */
  public long pid() {
    return holder.pid();
  }

  /** As {@link #start(List)}, but in this namespace. */
  public Process startInside(List<String> command) throws IOException {
    List<String> whole = new ArrayList<>();
    whole.addAll(List.of("sh", "-c", "echo " + STARTING + " >&2; exec \"$@\"", "sh"));
    whole.addAll(command);
    return new ProcessBuilder(inside(whole)).start();
  }

  @Override
  public void close() {
    holder.destroy();
    holder.onExit().join();
  }

  /** The process is the program itself: every step before it ends in exec. */
  static Process start(List<String> command) throws IOException {
    return start(BRIDGE, command);
  }

  private static Process start(String setup, List<String> command) throws IOException {
    String script = setup + " && echo " + STARTING + " >&2 && exec \"$@\"";
    List<String> whole = new ArrayList<>();
    whole.addAll(List.of("unshare", "--net", "--", "sh", "-c", script, "sh"));
    whole.addAll(command);
    return new ProcessBuilder(whole).start();
  }
}

package dev.sluice.bench.agent;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** Starts programs in a network namespace of their own, which ends with them. */
final class BenchNamespace {
  /** The address on the namespace's bridge that is published to. */
  static final String TARGET = "172.30.0.2";

  /** Printed on standard error when the namespace is set up and the program is about to start. */
  static final String STARTING = "starting";

  private static final String SETUP =
      String.join(
          " && ",
          "ip link set lo up",
          "ip link add br0 type bridge",
          "ip addr add 172.30.0.1/24 dev br0",
          "ip link add port0 type veth peer name far0",
          "ip link set far0 up",
          "ip link set port0 master br0 up",
          "ip link set br0 up",
          "echo " + STARTING + " >&2",
          "exec \"$@\"");

  private BenchNamespace() {}

  /** The process is the program itself: every step before it ends in exec. */
  static Process start(List<String> command) throws IOException {
    List<String> whole = new ArrayList<>();
    whole.addAll(List.of("unshare", "--net", "--", "sh", "-c", SETUP, "sh"));
    whole.addAll(command);
    return new ProcessBuilder(whole).start();
  }
}

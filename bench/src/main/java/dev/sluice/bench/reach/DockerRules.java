package dev.sluice.bench.reach;

import dev.sluice.bench.Workbench;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * The rules of Docker 20.10 for one container on {@code br0}, with every port published at the same
 * port of the host: as {@code iptables-save} shows them after {@code docker run -p 1:1 -p 2:2 …}.
 */
public final class DockerRules {
  private static final String NAT =
      """
      *nat
      :PREROUTING ACCEPT [0:0]
      :INPUT ACCEPT [0:0]
      :OUTPUT ACCEPT [0:0]
      :POSTROUTING ACCEPT [0:0]
      :DOCKER - [0:0]
      -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
      -A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
      -A POSTROUTING -s 172.30.0.0/24 ! -o br0 -j MASQUERADE
      -A DOCKER -i br0 -j RETURN
      %s
      %s
      COMMIT
      """;

  private static final String FILTER =
      """
      *filter
      :INPUT ACCEPT [0:0]
      :FORWARD DROP [0:0]
      :OUTPUT ACCEPT [0:0]
      :DOCKER - [0:0]
      :DOCKER-ISOLATION-STAGE-1 - [0:0]
      :DOCKER-ISOLATION-STAGE-2 - [0:0]
      :DOCKER-USER - [0:0]
      -A FORWARD -j DOCKER-USER
      -A FORWARD -j DOCKER-ISOLATION-STAGE-1
      -A FORWARD -o br0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
      -A FORWARD -o br0 -j DOCKER
      -A FORWARD -i br0 ! -o br0 -j ACCEPT
      -A FORWARD -i br0 -o br0 -j ACCEPT
      -A DOCKER-ISOLATION-STAGE-1 -i br0 ! -o br0 -j DOCKER-ISOLATION-STAGE-2
      -A DOCKER-ISOLATION-STAGE-1 -j RETURN
      -A DOCKER-ISOLATION-STAGE-2 -o br0 -j DROP
      -A DOCKER-ISOLATION-STAGE-2 -j RETURN
      -A DOCKER-USER -j RETURN
      %s
      COMMIT
      """;

  private static final String TRANSLATE =
      "-A DOCKER ! -i br0 -p tcp -m tcp --dport %1$d -j DNAT --to-destination 172.30.0.2:%1$d";
  private static final String HAIRPIN =
      "-A POSTROUTING -s 172.30.0.2/32 -d 172.30.0.2/32 -p tcp -m tcp --dport %d -j MASQUERADE";
  private static final String ADMIT =
      "-A DOCKER -d 172.30.0.2/32 ! -i br0 -o br0 -p tcp -m tcp --dport %d -j ACCEPT";

  private DockerRules() {}

  /**
   * Loads those of ports 1 to {@code ports} into an empty host.
   *
   * @param backend {@code legacy} or {@code nft}
   * @param directory for a file and iptables' lock, which is one for the whole machine: not this
   *     one
   */
  static void load(Topology topology, String backend, int ports, Path directory)
      throws IOException, InterruptedException {
    Path file = directory.resolve("rules");
    Files.writeString(file, text(ports));
    Workbench.output(
        topology
            .host()
            .inside(
                List.of(
                    "env",
                    "XTABLES_LOCKFILE=" + directory.resolve("xtables.lock"),
                    "iptables-" + backend + "-restore",
                    file.toString())));
  }

  /**
   * Those of some more ports, for {@code iptables-restore --noflush} beside a dockerd.
   *
   * @param bridge of the dockerd's network
   */
  public static String more(String bridge, int first, int last) {
    String nat =
        each(first, last, HAIRPIN::formatted) + "\n" + each(first, last, TRANSLATE::formatted);
    String filter = each(first, last, ADMIT::formatted);
    return "*nat\n%s\nCOMMIT\n*filter\n%s\nCOMMIT\n".formatted(nat, filter).replace("br0", bridge);
  }

  private static String text(int ports) {
    return NAT.formatted(each(1, ports, HAIRPIN::formatted), each(1, ports, TRANSLATE::formatted))
        + FILTER.formatted(each(1, ports, ADMIT::formatted));
  }

  private static String each(int first, int last, IntFunction<String> rule) {
    return IntStream.rangeClosed(first, last).mapToObj(rule).collect(Collectors.joining("\n"));
  }
}

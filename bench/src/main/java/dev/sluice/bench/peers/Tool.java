package dev.sluice.bench.peers;

import dev.sluice.bench.Workbench;
import dev.sluice.bench.agent.BenchNamespace;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * A program that publishes ports, a process for each, and how it is called. {@code {port}} stands
 * for the port.
 *
 * @param setup a shell script that makes what it expects to find
 * @param load the program that publishes many at once, reading {@code loadText}
 * @param loadIsItsOwn whether that is how many ports are published with it; else it is only a quick
 *     way to have as many present, and not measured
 * @param add publishes one port
 * @param addInput what {@code add} reads
 * @param environment {@code NAME=VALUE}, for {@code add}
 * @param most how many ports at once it is asked for at most
 */
public record Tool(
    String label,
    String setup,
    List<String> load,
    IntFunction<String> loadText,
    boolean loadIsItsOwn,
    List<String> add,
    String addInput,
    List<String> environment,
    int most) {

  private static final String PORTMAP = "/usr/lib/cni/portmap";
  private static final String INSTALL =
      "apt-get install -y containernetworking-plugins iptables nftables";
  private static final String DESTINATION = BenchNamespace.TARGET + ":80";
  private static final int CNI_MOST = 10_000;

  /** As the agent's, with what leads to it. */
  private static final String NFT_TABLE =
      """
      table inet peer {
        map any4 {
          type inet_proto . inet_service : ipv4_addr . inet_service
          counter
        }
        chain prerouting {
          type nat hook prerouting priority dstnat
          fib daddr type local dnat ip to meta l4proto . th dport map @any4
        }
      }
      """;

  /** One {@code nft add element} per port. */
  static Tool nftElement() {
    return nft(
        "nft add element",
        false,
        List.of("nft", "add", "element", "inet", "peer", "any4", "{ " + nftPort("{port}") + " }"),
        "");
  }

  /** One {@code nft -f} per port, and one file for many. */
  static Tool nftFile() {
    return nft(
        "nft -f",
        true,
        List.of("nft", "-f", "-"),
        "add element inet peer any4 { " + nftPort("{port}") + " }\n");
  }

  private static Tool nft(String label, boolean loads, List<String> add, String addInput) {
    return new Tool(
        label,
        "nft -f - <<'END'\n" + NFT_TABLE + "END\n",
        List.of("nft", "-f", "-"),
        Tool::nftElements,
        loads,
        add,
        addInput,
        List.of(),
        Integer.MAX_VALUE);
  }

  private static String nftElements(int count) {
    return IntStream.rangeClosed(1, count)
        .mapToObj(port -> nftPort("" + port))
        .collect(Collectors.joining(", ", "add element inet peer any4 { ", " }\n"));
  }

  private static String nftPort(String port) {
    return "tcp . " + port + " : " + BenchNamespace.TARGET + " . 80";
  }

  /**
   * The rule of a port as dockerd writes it. (It writes two more, and looks for each before.)
   *
   * @param backend {@code legacy} or {@code nft}
   */
  static Tool iptables(String backend) {
    String program = "iptables-" + backend;
    List<String> add = new ArrayList<>(List.of(program, "--wait", "-t", "nat"));
    add.addAll(List.of(dockerRule("{port}").split(" ")));
    return new Tool(
        program,
        """
        %1$s -t nat -N DOCKER
        %1$s -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
        """
            .formatted(program),
        List.of(program + "-restore", "--noflush"),
        count -> natTable(count, "", Tool::dockerRule),
        true,
        add,
        "",
        List.of(),
        Integer.MAX_VALUE);
  }

  private static String dockerRule(String port) {
    return "-A DOCKER ! -i br0 -p tcp -m tcp --dport "
        + port
        + " -j DNAT --to-destination "
        + DESTINATION;
  }

  /** The portmap plugin, called as the bridge plugin's successor in a chain: a container a port. */
  public static Tool cniPortmap() {
    return new Tool(
        "CNI portmap",
        "true",
        List.of("iptables-restore", "--noflush"),
        Tool::cniRules,
        false,
        List.of(PORTMAP),
        cniConfiguration("portmap"),
        cniEnvironment("ADD", Path.of(PORTMAP)),
        CNI_MOST);
  }

  /**
   * What a CNI plugin reads that publishes a port: with the result of the bridge plugin that ran
   * before it, as far as it looks at that.
   */
  public static String cniConfiguration(String plugin) {
    return """
    {"cniVersion":"0.4.0","name":"bench","type":"%s","snat":true,
     "capabilities":{"portMappings":true},
     "runtimeConfig":{"portMappings":[
       {"hostPort":{port},"containerPort":80,"protocol":"tcp"}]},
     "prevResult":{"cniVersion":"0.4.0",
       "interfaces":[{"name":"br0"},{"name":"eth0","sandbox":"/proc/1/ns/net"}],
       "ips":[{"version":"4","interface":1,"address":"%s/24","gateway":"172.30.0.1"}]}}
    """
        .formatted(plugin, BenchNamespace.TARGET);
  }

  /** What a runtime tells a CNI plugin beside it, about a container for each port. */
  public static List<String> cniEnvironment(String verb, Path plugin) {
    return List.of(
        "CNI_COMMAND=" + verb,
        "CNI_CONTAINERID=c{port}",
        "CNI_NETNS=/proc/1/ns/net",
        "CNI_IFNAME=eth0",
        "CNI_PATH=" + plugin.getParent());
  }

  /** What {@code iptables-save -t nat} shows after as many calls of it. */
  private static String cniRules(int count) {
    String frame =
        """
        :CNI-HOSTPORT-DNAT - [0:0]
        :CNI-HOSTPORT-MASQ - [0:0]
        :CNI-HOSTPORT-SETMARK - [0:0]
        -A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
        -A OUTPUT -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
        -A POSTROUTING -m comment --comment "CNI portfwd requiring masquerade" \
        -j CNI-HOSTPORT-MASQ
        -A CNI-HOSTPORT-MASQ -m mark --mark 0x2000/0x2000 -j MASQUERADE
        -A CNI-HOSTPORT-SETMARK -m comment --comment "CNI portfwd masquerade mark" \
        -j MARK --set-xmark 0x2000/0x2000
        """;
    return natTable(count, frame, Tool::cniRulesOfPort);
  }

  private static String cniRulesOfPort(String port) {
    // Named after a hash of the container; the length is what matters here.
    String chain = "CNI-DN-" + "0".repeat(21 - port.length()) + port;
    return """
        :%1$s - [0:0]
        -A %1$s -s 172.30.0.0/24 -p tcp -m tcp --dport %2$s -j CNI-HOSTPORT-SETMARK
        -A %1$s -s 127.0.0.1/32 -p tcp -m tcp --dport %2$s -j CNI-HOSTPORT-SETMARK
        -A %1$s -p tcp -m tcp --dport %2$s -j DNAT --to-destination %3$s
        -A CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat name: \\"bench\\" id: \\"c%2$s\\"" \
        -m multiport --dports %2$s -j %1$s"""
        .formatted(chain, port, DESTINATION);
  }

  private static String natTable(int count, String frame, UnaryOperator<String> rulesOfPort) {
    return IntStream.rangeClosed(1, count)
        .mapToObj(port -> rulesOfPort.apply("" + port))
        .collect(Collectors.joining("\n", "*nat\n" + frame, "\nCOMMIT\n"));
  }

  /**
   * Names and versions of everything that is called.
   *
   * @throws IOException if something is missing; the message says how to install it
   */
  public static List<String> versions() throws IOException {
    List<String> versions = new ArrayList<>();
    for (String program : List.of("nft", "iptables-legacy", "iptables-nft", "iptables")) {
      String version = Workbench.firstLine(program, "--version");
      if (version.equals("absent")) {
        throw missing(program);
      }
      versions.add(program.equals("iptables") ? "the iptables of CNI is " + version : version);
    }
    if (!Files.isExecutable(Path.of(PORTMAP))) {
      throw missing(PORTMAP);
    }
    // Debian's build of the plugin does not know its own version.
    String portmap = Workbench.firstLine("dpkg-query", "-W", "containernetworking-plugins");
    versions.add(
        portmap.equals("absent") ? PORTMAP + ", of no package" : portmap.replace('\t', ' '));
    return versions.subList(1, versions.size());
  }

  private static IOException missing(String program) {
    return new IOException(
        "peers compares with " + program + ", which is missing; install it with:  " + INSTALL);
  }
}

package dev.sluice.cli;

import static dev.sluice.net.MalformedValueException.quote;

import dev.sluice.api.ApiClient;
import dev.sluice.api.Problem;
import dev.sluice.api.ProblemException;
import dev.sluice.model.Egress;
import dev.sluice.model.Endpoint;
import dev.sluice.model.InterfaceName;
import dev.sluice.model.Network;
import dev.sluice.model.NetworkRequest;
import dev.sluice.model.NetworkSettings;
import dev.sluice.model.Owner;
import dev.sluice.model.Sandbox;
import dev.sluice.model.SandboxName;
import dev.sluice.model.SandboxRequest.Attachment;
import dev.sluice.model.Subnet;
import dev.sluice.net.IpAddress;
import dev.sluice.net.MalformedValueException;
import dev.sluice.net.Prefix;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code sluice network} and its commands. */
@Command(
    name = "network",
    description = "Makes networks, and connects sandboxes to them.%n",
    synopsisSubcommandLabel = "COMMAND",
    footer = {
      "",
      "Examples:",
      "  sluice network create front --subnet 10.9.0.0/24",
      "  sluice network connect front web --netns web",
      "  sluice network ls"
    })
final class NetworkCommand {
  private NetworkCommand() {}

  static CommandLine commandLine(Main main) {
    return new CommandLine(new NetworkCommand())
        .addSubcommand("create", new Create(main))
        .addSubcommand("ls", new Ls(main))
        .addSubcommand("inspect", new Inspect(main))
        .addSubcommand("rm", new Rm(main))
        .addSubcommand("connect", new Connect(main))
        .addSubcommand("disconnect", new Disconnect(main));
  }

  private static ProblemException wrongUsage(String detail) {
    return new ProblemException(Problem.of(Problem.Kind.MALFORMED_REQUEST, detail));
  }

  /** {@code sluice network create}. */
  @Command(
      name = "create",
      description = "Makes a network: a bridge with subnets, chosen if none is given.%n",
      footer = {
        "",
        "Examples:",
        "  sluice network create front",
        "  sluice network create back --subnet 10.9.0.0/24 --subnet fd09::/64 --internal",
        "  sluice network create lab --subnet 192.0.2.0/26 --egress routed"
      })
  static final class Create implements Callable<Integer> {
    private static final String SOURCE = "source=";

    private final Main main;

    @Parameters(paramLabel = "NAME", description = "What to call it.")
    private String name = "";

    @Option(
        names = "--subnet",
        paramLabel = "PREFIX",
        description = "Where its addresses are from; one of each family.")
    private List<String> subnets = new ArrayList<>();

    @Option(
        names = "--gateway",
        paramLabel = "ADDRESS",
        description = "The host's address in a subnet (default: the first).")
    private List<String> gateways = new ArrayList<>();

    @Option(
        names = "--ip-range",
        paramLabel = "PREFIX",
        description = "The part of a subnet that addresses are chosen from (default: all of it).")
    private List<String> ranges = new ArrayList<>();

    @Option(names = "--ipv6", description = "Choose an IPv6 subnet where none is given.")
    private boolean ipv6;

    @Option(
        names = "--bridge",
        paramLabel = "INTERFACE",
        description = "What to call the bridge (default: after the network).")
    private @Nullable String bridge;

    @Option(
        names = "--mtu",
        paramLabel = "BYTES",
        description = "The largest packet (default: that of the way outside).")
    private @Nullable Integer mtuBytes;

    @Option(names = "--internal", description = "Nothing leads outside.")
    private boolean internal;

    @Option(
        names = "--icc",
        arity = "1",
        paramLabel = "true|false",
        description =
            "Whether its sandboxes reach each other without a link or a published port (default:"
                + " true).")
    private boolean icc = true;

    @Option(
        names = "--egress",
        paramLabel = "WAY",
        description =
            "How its sandboxes look outside: masquerade (the default, as the host), routed (as"
                + " they are), or source=ADDRESS[,ADDRESS] (as that address of the host).")
    private String egress = "masquerade";

    Create(Main main) {
      this.main = main;
    }

    @Override
    public Integer call() {
      NetworkRequest request =
          new NetworkRequest(
              name,
              Optional.ofNullable(bridge).map(InterfaceName::new),
              subnets(),
              ipv6,
              mtuBytes == null ? OptionalInt.empty() : OptionalInt.of(mtuBytes),
              egress(),
              internal,
              !icc,
              Owner.CLI);
      try (ApiClient client = main.client()) {
        ApiClient.Answer<Network> made = client.create(request);
        main.terminal().out().println(main.json() ? made.json() : line(made.value()));
        return ExitCode.OK;
      }
    }

    private static String line(Network made) {
      return "created "
          + made.name()
          + "  "
          + made.subnets().stream().map(Prefix::toString).collect(Collectors.joining(", "))
          + "  (bridge "
          + made.bridge()
          + ")";
    }

    private List<Subnet> subnets() {
      List<IpAddress> freeGateways =
          new ArrayList<>(gateways.stream().map(IpAddress::parse).toList());
      List<Prefix> freeRanges = new ArrayList<>(ranges.stream().map(Prefix::parseBlock).toList());
      List<Subnet> made = new ArrayList<>();
      for (String text : subnets) {
        Prefix prefix = Prefix.parseBlock(text);
        Optional<IpAddress> gateway = freeGateways.stream().filter(prefix::contains).findFirst();
        gateway.ifPresent(freeGateways::remove);
        Optional<Prefix> range = freeRanges.stream().filter(prefix::contains).findFirst();
        range.ifPresent(freeRanges::remove);
        made.add(new Subnet(prefix, gateway, range));
      }
      if (!freeGateways.isEmpty()) {
        throw wrongUsage(
            "the gateway " + freeGateways.get(0) + " is in no --subnet that has none already");
      }
      if (!freeRanges.isEmpty()) {
        throw wrongUsage(
            "the address range " + freeRanges.get(0) + " is in no --subnet that has none already");
      }
      return made;
    }

    private Egress egress() {
      if (egress.startsWith(SOURCE)) {
        return Egress.FixedSource.of(
            Arrays.stream(egress.substring(SOURCE.length()).split(",", -1))
                .map(IpAddress::parse)
                .toList());
      }
      return switch (egress) {
        case "masquerade" -> new Egress.Masquerade();
        case "routed" -> new Egress.Routed();
        default ->
            throw new MalformedValueException(
                egress,
                0,
                "egress " + quote(egress) + " is none of masquerade, routed, source=ADDRESS");
      };
    }
  }

  /** {@code sluice network ls}. */
  @Command(
      name = "ls",
      description = "Lists the networks.%n",
      footer = {"", "Examples:", "  sluice network ls"})
  static final class Ls implements Callable<Integer> {
    private final Main main;

    Ls(Main main) {
      this.main = main;
    }

    @Override
    public Integer call() {
      try (ApiClient client = main.client()) {
        ApiClient.Answer<List<Network>> networks = client.networks();
        if (main.json()) {
          main.terminal().out().println(networks.json());
          return ExitCode.OK;
        }
        Table table =
            new Table(main.terminal().out(), "NAME", "BRIDGE", "SUBNETS", "EGRESS", "REMARKS");
        for (Network network : networks.value()) {
          table.row(
              network.name(),
              network.bridge().text(),
              network.subnets().stream().map(Prefix::toString).collect(Collectors.joining(", ")),
              network.egress().text(),
              remarks(network));
        }
        table.flush();
        return ExitCode.OK;
      }
    }

    private static String remarks(Network network) {
      NetworkSettings settings = network.settings();
      List<String> remarks = new ArrayList<>();
      if (settings.internal()) {
        remarks.add("internal");
      }
      if (settings.isolated()) {
        remarks.add("icc=false");
      }
      if (!network.isManaged()) {
        remarks.add("bridge of somebody else");
      }
      return String.join(", ", remarks);
    }
  }

  /** {@code sluice network inspect}. */
  @Command(
      name = "inspect",
      description = "Shows everything about networks and who is on them, as JSON.%n",
      footer = {"", "Examples:", "  sluice network inspect front"})
  static final class Inspect implements Callable<Integer> {
    private final Main main;

    @Parameters(arity = "1..*", paramLabel = "NAME", description = "The networks.")
    private List<String> names = new ArrayList<>();

    Inspect(Main main) {
      this.main = main;
    }

    @Override
    public Integer call() {
      List<String> documents = new ArrayList<>();
      try (ApiClient client = main.client()) {
        names.forEach(name -> documents.add(client.network(Network.checkName(name)).json()));
      }
      main.terminal().out().println(PrettyJson.joined(documents));
      return ExitCode.OK;
    }
  }

  /** {@code sluice network rm}. */
  @Command(
      name = "rm",
      description = "Removes networks that no sandbox is on.%n",
      footer = {"", "Examples:", "  sluice network rm front back"})
  static final class Rm implements Callable<Integer> {
    private final Main main;

    @Parameters(arity = "1..*", paramLabel = "NAME", description = "The networks.")
    private List<String> names = new ArrayList<>();

    Rm(Main main) {
      this.main = main;
    }

    @Override
    public Integer call() {
      names.forEach(Network::checkName);
      try (ApiClient client = main.client()) {
        for (String name : names) {
          ApiClient.Answer<Network> removed = client.removeNetwork(name);
          main.terminal().out().println(main.json() ? removed.json() : "removed " + name);
        }
        return ExitCode.OK;
      }
    }
  }

  /** Where a sandbox is; one way to say it. */
  static final class Place {
    @Option(
        names = "--netns",
        paramLabel = "NAME|PATH",
        description = "The sandbox's network namespace, as ip netns names it, or its file.")
    private @Nullable String netns;

    @Option(
        names = "--pid",
        paramLabel = "PID",
        description = "The sandbox's network namespace is that of this process.")
    private @Nullable Integer pid;

    @Option(
        names = "--fd",
        paramLabel = "N",
        description = "The sandbox's network namespace is open as this descriptor.")
    private @Nullable Integer descriptor;

    /** The file of the namespace, as the agent can find it. */
    String path() {
      if (netns != null) {
        return netns.indexOf('/') < 0
            ? "/run/netns/" + netns
            : Path.of(netns).toAbsolutePath().toString();
      }
      if (pid != null) {
        return "/proc/" + pid + "/ns/net";
      }
      // Descriptors of whoever called us are ours, too.
      return "/proc/" + ProcessHandle.current().pid() + "/fd/" + descriptor;
    }
  }

  /** {@code sluice network connect}. */
  @Command(
      name = "connect",
      description = {
        "Lets a sandbox join a network.",
        "",
        "Where the agent does not know the sandbox yet, say where its network namespace is.%n"
      },
      footer = {
        "",
        "Examples:",
        "  sluice network connect front web --netns web",
        "  sluice network connect front web --pid 4711 --ip 10.9.0.7 --alias www",
        "  sluice network connect back web"
      })
  static final class Connect implements Callable<Integer> {
    private final Main main;

    @Parameters(index = "0", paramLabel = "NETWORK", description = "The network.")
    private String network = "";

    @Parameters(index = "1", paramLabel = "SANDBOX", description = "What the sandbox is called.")
    private String sandbox = "";

    @ArgGroup private @Nullable Place place;

    @Option(
        names = "--ip",
        paramLabel = "ADDRESS",
        description = "The address to have; one of each family.")
    private List<String> addresses = new ArrayList<>();

    @Option(
        names = "--alias",
        paramLabel = "NAME",
        description = "Another name of it on this network; may be repeated.")
    private List<String> aliases = new ArrayList<>();

    @Option(
        names = "--interface",
        paramLabel = "INTERFACE",
        description = "What the sandbox calls the interface (default: eth0, eth1 and so on).")
    private @Nullable String interfaceName;

    Connect(Main main) {
      this.main = main;
    }

    @Override
    public Integer call() {
      SandboxName name = new SandboxName(sandbox);
      Attachment attachment =
          new Attachment(
              network,
              addresses.stream().map(IpAddress::parse).toList(),
              aliases.stream().map(SandboxName::new).toList(),
              Optional.ofNullable(interfaceName).map(InterfaceName::new));
      try (ApiClient client = main.client()) {
        ApiClient.Answer<Sandbox> now =
            client.connect(name, attachment, Optional.ofNullable(place).map(Place::path));
        main.terminal().out().println(main.json() ? now.json() : line(now.value()));
        return ExitCode.OK;
      }
    }

    private String line(Sandbox now) {
      Endpoint endpoint = now.on(network).orElseThrow();
      return "connected "
          + now.name()
          + "  "
          + endpoint.addresses().stream().map(IpAddress::toString).collect(Collectors.joining(", "))
          + "  ("
          + endpoint.interfaceName()
          + " on "
          + network
          + ")";
    }
  }

  /** {@code sluice network disconnect}. */
  @Command(
      name = "disconnect",
      description = {
        "Takes a sandbox from a network.",
        "",
        "Ports published by its name lead to another network it is on, or are taken back.%n"
      },
      footer = {"", "Examples:", "  sluice network disconnect front web"})
  static final class Disconnect implements Callable<Integer> {
    private final Main main;

    @Parameters(index = "0", paramLabel = "NETWORK", description = "The network.")
    private String network = "";

    @Parameters(index = "1", paramLabel = "SANDBOX", description = "What the sandbox is called.")
    private String sandbox = "";

    Disconnect(Main main) {
      this.main = main;
    }

    @Override
    public Integer call() {
      SandboxName name = new SandboxName(sandbox);
      Network.checkName(network);
      try (ApiClient client = main.client()) {
        ApiClient.Answer<Sandbox> now = client.disconnect(name, network);
        main.terminal()
            .out()
            .println(main.json() ? now.json() : "disconnected " + name + " from " + network);
        return ExitCode.OK;
      }
    }
  }
}

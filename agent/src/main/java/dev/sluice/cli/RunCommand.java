package dev.sluice.cli;

import dev.sluice.api.AgentUnreachableException;
import dev.sluice.api.ApiClient;
import dev.sluice.api.Problem;
import dev.sluice.api.ProblemException;
import dev.sluice.cli.run.Membership;
import dev.sluice.cli.run.NotStartedException;
import dev.sluice.cli.run.OwnNamespace;
import dev.sluice.model.Endpoint;
import dev.sluice.model.ExposeSpec;
import dev.sluice.model.Joined;
import dev.sluice.model.Mapping;
import dev.sluice.model.MappingOptions;
import dev.sluice.model.Owner;
import dev.sluice.model.PortSpec;
import dev.sluice.model.Sandbox;
import dev.sluice.model.SandboxLink;
import dev.sluice.model.SandboxName;
import dev.sluice.model.SandboxRequest;
import dev.sluice.model.SandboxRequest.Attachment;
import dev.sluice.net.IpAddress;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.ThreadLocalRandom;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code sluice run}. */
@Command(
    name = "run",
    description = {
      "Runs a command in a sandbox: in a network namespace of its own, on networks.",
      "",
      "The sandbox ends with the command, and its ports are taken back. It needs root.%n"
    },
    footer = {
      "",
      "It exits with the command's exit code, 128 + n where signal n ended it, 127 where there is no",
      "such command.",
      "",
      "Examples:",
      "  sluice run -p 8080:80 --name web -- python3 -m http.server 80",
      "  sluice run --network front --network back --alias db -- postgres",
      "  sluice run --link web -- curl http://web/"
    })
final class RunCommand implements Callable<Integer> {
  private final Main main;

  @Option(
      names = "--network",
      paramLabel = "NETWORK",
      description = "A network to join; may be repeated (default: default, made if need be).")
  private List<String> networks = new ArrayList<>();

  @Option(
      names = {"-p", "--publish"},
      paramLabel = "PORT",
      description = "What to publish; may be repeated.")
  private List<String> ports = new ArrayList<>();

  @Option(
      names = {"-P", "--publish-all"},
      description = "Publish every port given with --expose on a free host port.")
  private boolean publishAll;

  @Option(
      names = "--expose",
      paramLabel = "PORT",
      description = "A port or range that sandboxes linked to this one may use; may be repeated.")
  private List<String> exposed = new ArrayList<>();

  @Option(
      names = "--name",
      paramLabel = "NAME",
      description = "What to call the sandbox, and its ports (default: a random name).")
  private @Nullable String name;

  @Option(
      names = "--alias",
      paramLabel = "NAME",
      description = "Another name of it on the first network; may be repeated.")
  private List<String> aliases = new ArrayList<>();

  @Option(
      names = "--ip",
      paramLabel = "ADDRESS",
      description = "The address on the first network to have; one of each family.")
  private List<String> addresses = new ArrayList<>();

  @Option(
      names = "--link",
      paramLabel = "NAME[:ALIAS]",
      description = "Another sandbox whose exposed ports it may use; may be repeated.")
  private List<String> links = new ArrayList<>();

  @Mixin private RestrictionOptions restrictions = new RestrictionOptions();

  @Parameters(arity = "1..*", paramLabel = "COMMAND", description = "What to run.")
  private List<String> command = new ArrayList<>();

  private RunCommand(Main main) {
    this.main = main;
  }

  /** Everything behind the first word of the command is the command's. */
  static CommandLine commandLine(Main main) {
    return new CommandLine(new RunCommand(main)).setStopAtPositional(true);
  }

  @Override
  public Integer call() {
    // Bad input is bad whether or not a namespace can be made.
    Wanted wanted =
        new Wanted(
            new SandboxName(name == null ? randomName() : name),
            attachments(),
            exposed.stream().map(ExposeSpec::parse).toList(),
            links.stream().map(SandboxLink::parse).toList(),
            publish(),
            restrictions.change().applyTo(MappingOptions.NONE));
    wanted.in("/proc/self/ns/net");
    try {
      return OwnNamespace.run(command, new OfAgent(wanted));
    } catch (NotStartedException e) {
      main.report(Problem.of(Problem.Kind.INVALID, String.valueOf(e.getMessage())));
      return e.exitCode();
    }
  }

  /** A request without the namespace, which is not there yet. */
  private record Wanted(
      SandboxName name,
      List<Attachment> attachments,
      List<ExposeSpec> exposed,
      List<SandboxLink> links,
      List<PortSpec> publish,
      MappingOptions options) {

    SandboxRequest in(String namespacePath) {
      return new SandboxRequest(
          name, namespacePath, attachments, exposed, links, publish, options, Owner.CLI);
    }
  }

  private static String randomName() {
    return "run-" + HexFormat.of().toHexDigits(ThreadLocalRandom.current().nextInt());
  }

  private List<Attachment> attachments() {
    List<String> wanted = networks.isEmpty() ? List.of(SandboxRequest.DEFAULT_NETWORK) : networks;
    List<Attachment> attachments = new ArrayList<>();
    attachments.add(
        new Attachment(
            wanted.get(0),
            addresses.stream().map(IpAddress::parse).toList(),
            aliases.stream().map(SandboxName::new).toList(),
            Optional.empty()));
    wanted.stream().skip(1).map(Attachment::to).forEach(attachments::add);
    return attachments;
  }

  private List<PortSpec> publish() {
    List<PortSpec> specs = new ArrayList<>(ports.stream().map(PortSpec::parse).toList());
    if (publishAll) {
      if (exposed.isEmpty()) {
        throw new ProblemException(
            Problem.of(Problem.Kind.MALFORMED_REQUEST, PublishCommand.NOTHING_EXPOSED));
      }
      exposed.forEach(text -> specs.addAll(PublishCommand.onFreePorts(ExposeSpec.parse(text))));
    }
    return specs;
  }

  /** The agent's networks. */
  private final class OfAgent implements Membership {
    private final Wanted wanted;

    OfAgent(Wanted wanted) {
      this.wanted = wanted;
    }

    @Override
    public List<IpAddress> join(String namespacePath) {
      try (ApiClient client = main.client()) {
        ApiClient.Answer<Joined> joined = client.create(wanted.in(namespacePath));
        say(joined);
        return gateways(client, joined.value().sandbox());
      }
    }

    private void say(ApiClient.Answer<Joined> joined) {
      if (main.json()) {
        main.terminal().err().println(joined.json());
      } else {
        for (Mapping mapping : joined.value().published()) {
          main.terminal().err().println(PublishCommand.line("published", mapping));
        }
      }
      main.terminal().err().flush();
    }

    /** Where the names of the sandbox's networks are known. */
    private List<IpAddress> gateways(ApiClient client, Sandbox sandbox) {
      List<IpAddress> gateways = new ArrayList<>();
      for (Endpoint endpoint : sandbox.endpoints()) {
        gateways.addAll(client.network(endpoint.network()).value().settings().gateways());
      }
      return gateways;
    }

    @Override
    public void leave() {
      try (ApiClient client = main.client()) {
        client.removeSandbox(wanted.name());
      } catch (ProblemException e) {
        if (e.problem().kind() != Problem.Kind.NOT_FOUND) {
          main.report(e.problem());
        }
      } catch (AgentUnreachableException e) {
        main.report(
            Problem.of(
                Problem.Kind.UNAVAILABLE,
                "the sandbox "
                    + wanted.name()
                    + " is taken back when the agent runs again: "
                    + e.getMessage()));
      }
    }
  }
}

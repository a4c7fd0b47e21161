package dev.sluice.cli;

import dev.sluice.api.ApiClient;
import dev.sluice.api.Problem;
import dev.sluice.api.ProblemException;
import dev.sluice.model.ExposeSpec;
import dev.sluice.model.HostBinding;
import dev.sluice.model.Mapping;
import dev.sluice.model.PublishedMapping;
import dev.sluice.net.PortRange;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** {@code sluice port}. */
@Command(
    name = "port",
    description = "Shows where the ports of a container are published, as docker port does.%n",
    footer = {
      "",
      "Examples:",
      "  sluice port web",
      "  sluice port web 80",
      "  sluice port dns 53/udp"
    })
final class PortCommand implements Callable<Integer> {
  private final Main main;

  @Parameters(index = "0", paramLabel = "NAME|ID", description = "What was published.")
  private String nameOrId = "";

  @Parameters(
      index = "1",
      arity = "0..1",
      paramLabel = "PORT[/PROTOCOL]",
      description = "Only this port of the container.")
  private @Nullable String port;

  PortCommand(Main main) {
    this.main = main;
  }

  @Override
  public Integer call() {
    ExposeSpec wanted = port == null ? null : ExposeSpec.parse(port);
    try (ApiClient client = main.client()) {
      var found = client.find(nameOrId);
      List<PublishedMapping> matching =
          found.value().stream().filter(one -> matches(one.mapping(), wanted)).toList();
      if (wanted != null && matching.isEmpty()) {
        throw new ProblemException(
            Problem.of(
                Problem.Kind.NOT_FOUND,
                "port " + wanted + " of " + nameOrId + " is not published; see \"sluice ps\""));
      }
      if (main.json()) {
        main.terminal().out().println(found.json());
        return ExitCode.OK;
      }
      for (PublishedMapping one : matching) {
        main.terminal().out().println(line(one.mapping(), wanted));
      }
      return ExitCode.OK;
    }
  }

  private static boolean matches(Mapping mapping, @Nullable ExposeSpec wanted) {
    return wanted == null
        || (mapping.protocol() == wanted.protocol()
            && mapping.targetPorts().contains(wanted.ports()));
  }

  private static String line(Mapping mapping, @Nullable ExposeSpec wanted) {
    if (wanted == null) {
      return mapping.targetPorts()
          + "/"
          + mapping.protocol()
          + " -> "
          + withoutProtocol(mapping.key());
    }
    int shift = mapping.hostPorts().first() - mapping.targetPorts().first();
    PortRange hostPorts =
        PortRange.of(wanted.ports().first() + shift, wanted.ports().last() + shift);
    return withoutProtocol(
        new HostBinding(mapping.protocol(), mapping.family(), mapping.hostAddress(), hostPorts));
  }

  private static String withoutProtocol(HostBinding binding) {
    String text = binding.toString();
    return text.substring(0, text.lastIndexOf('/'));
  }
}

package dev.sluice.cli;

import dev.sluice.api.ApiClient;
import dev.sluice.api.Problem;
import dev.sluice.api.ProblemException;
import dev.sluice.model.Balance;
import dev.sluice.model.Destination;
import dev.sluice.model.MappingName;
import dev.sluice.model.PortSpec;
import dev.sluice.model.PublishedMapping;
import dev.sluice.model.UpdateRequest;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code sluice update}. */
@Command(
    name = "update",
    description = {
      "Changes published ports in use.",
      "",
      "All changes of one command take effect at once, or none. New connections follow at once;",
      "those that exist live on with the container they have, unless the change forbids them.%n"
    },
    footer = {
      "",
      "Examples:",
      "  sluice update web --to 172.30.0.3",
      "  sluice update web --allow 10.0.0.0/8 --max-connections 100",
      "  sluice update web --add 8443:443 --remove 8080:80 --name web2",
      "  sluice update web --source-rate none",
      "  sluice update web --add-to web3=2 --remove-to web1"
    })
final class UpdateCommand implements Callable<Integer> {
  private final Main main;

  @Parameters(paramLabel = "NAME|ID", description = "What to change.")
  private String nameOrId = "";

  @Option(
      names = "--to",
      paramLabel = "ADDRESS|NAME[=WEIGHT]",
      description =
          "Lead to this address, one of each family where ports of both are published; or to this"
              + " sandbox. Several share the connections.")
  private List<String> targets = new ArrayList<>();

  @Option(
      names = "--add-to",
      paramLabel = "ADDRESS|NAME[=WEIGHT]",
      description =
          "Let this container share the connections as well; one that does already gets the new"
              + " weight. May be repeated.")
  private List<String> addTo = new ArrayList<>();

  @Option(
      names = "--remove-to",
      paramLabel = "ADDRESS|NAME",
      description =
          "Make no new connections to this container; those it has live on, unless --cut ends"
              + " them. May be repeated.")
  private List<String> removeTo = new ArrayList<>();

  @Option(
      names = "--balance",
      paramLabel = "HOW",
      description = "Share connections out by round-robin, random or source.")
  private @Nullable String balance;

  @Option(names = "--name", paramLabel = "NAME", description = "Call it this.")
  private @Nullable String name;

  @Option(
      names = "--add",
      paramLabel = "PORT",
      description = "Publish this port as well; may be repeated.")
  private List<String> add = new ArrayList<>();

  @Option(
      names = "--remove",
      paramLabel = "PORT",
      description =
          "Take this port back, written as it was published, or as the container's port; may be"
              + " repeated.")
  private List<String> remove = new ArrayList<>();

  @Option(
      names = "--cut",
      description = "Also end the connections to the container the ports led to before.")
  private boolean cut;

  @Mixin private RestrictionOptions restrictions = new RestrictionOptions();

  UpdateCommand(Main main) {
    this.main = main;
  }

  @Override
  public Integer call() {
    Destination destination =
        Destination.parse(targets).with(Optional.ofNullable(balance).map(Balance::parse));
    UpdateRequest request =
        new UpdateRequest(
            nameOrId,
            Optional.ofNullable(name).map(MappingName::new),
            destination,
            new UpdateRequest.BackendsChange(Destination.parse(addTo), Destination.parse(removeTo)),
            restrictions.change(),
            add.stream().map(PortSpec::parse).toList(),
            remove.stream().map(PortSpec::parse).toList(),
            cut);
    if (request.isEmpty()) {
      throw new ProblemException(
          Problem.of(
              Problem.Kind.MALFORMED_REQUEST,
              "nothing to change: give --to, --add-to, --remove-to, --balance, --name, --add,"
                  + " --remove, --allow, --max-connections, --source-rate, --syn-proxy or"
                  + " --proxy-protocol"));
    }
    try (ApiClient client = main.client()) {
      var updated = client.update(request);
      if (main.json()) {
        main.terminal().out().println(updated.json());
        return ExitCode.OK;
      }
      for (PublishedMapping one : updated.value()) {
        main.terminal().out().println(PublishCommand.line("published", one.mapping()));
      }
      return ExitCode.OK;
    }
  }
}

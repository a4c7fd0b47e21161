package dev.sluice.cli;

import dev.sluice.api.ApiClient;
import dev.sluice.api.Declarations.Outcome;
import dev.sluice.api.Problem;
import dev.sluice.api.ProblemException;
import dev.sluice.config.PortsFile;
import dev.sluice.config.PortsFileException;
import dev.sluice.model.Declaration;
import dev.sluice.model.DeclaredChange;
import dev.sluice.model.DeclaredChange.Action;
import dev.sluice.model.DeclaredChange.Kind;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code sluice apply}. */
@Command(
    name = "apply",
    description = {
      "Makes the networks, sandboxes and ports that a file declares; ports that an earlier one",
      "declared and this one does not are taken back.",
      "",
      "All of it takes effect, or none; what is there already stays as it is.",
      "The file is not copied: what is to outlive a reboot belongs into /etc/sluice/ports.yaml.%n"
    },
    footer = {
      "",
      "Examples:",
      "  sluice apply",
      "  sluice apply -f ports.yaml",
      "  sluice apply -f ports.yaml --prune --dry-run",
      "  generate-ports | sluice apply -f -"
    })
final class ApplyCommand implements Callable<Integer> {
  private static final String STANDARD_INPUT = "-";

  private final Main main;

  @Option(
      names = {"-f", "--file"},
      paramLabel = "FILE",
      description = "The file, - for standard input (default: ${DEFAULT-VALUE}).")
  private String file = PortsFile.DEFAULT.toString();

  @Option(
      names = "--dry-run",
      description = "Only say what would be done: + is made, ~ changed, - removed, = stays.")
  private boolean dryRun;

  @Option(
      names = "--prune",
      description = "Also remove networks and sandboxes that an earlier file declared.")
  private boolean prune;

  ApplyCommand(Main main) {
    this.main = main;
  }

  @Override
  public Integer call() {
    Declaration declaration = read();
    try (ApiClient client = main.client()) {
      var applied = dryRun ? client.compare(declaration, prune) : client.apply(declaration, prune);
      PrintWriter out = main.terminal().out();
      if (main.json()) {
        out.println(applied.json());
        return ExitCode.OK;
      }
      Outcome outcome = applied.value();
      if (dryRun) {
        outcome.changes().forEach(change -> out.println(change + remark(change)));
      } else {
        outcome.changes().stream()
            .filter(change -> change.kind() != Kind.PORT)
            .forEach(
                change ->
                    out.println(
                        done(change.action())
                            + " "
                            + change.kind()
                            + " "
                            + change.text()
                            + remark(change)));
        outcome.withdrawn().forEach(one -> out.println(PublishCommand.line("unpublished", one)));
        outcome.published().forEach(one -> out.println(PublishCommand.line("published", one)));
      }
      out.println(outcome.unchanged() + " unchanged");
      return ExitCode.OK;
    }
  }

  private static String done(Action action) {
    return switch (action) {
      case ADD -> "created";
      case CHANGE -> "changed";
      case REMOVE -> "removed";
      case KEEP -> "kept";
    };
  }

  private static String remark(DeclaredChange change) {
    return change.action() == Action.KEEP ? "  (not in the file; --prune removes it)" : "";
  }

  private Declaration read() {
    try {
      return file.equals(STANDARD_INPUT)
          ? PortsFile.read("standard input", System.in)
          : PortsFile.read(Path.of(file));
    } catch (PortsFileException e) {
      throw new ProblemException(
          Problem.of(Problem.Kind.MALFORMED_REQUEST, String.valueOf(e.getMessage())));
    } catch (NoSuchFileException e) {
      throw new ProblemException(
          Problem.of(
              Problem.Kind.NOT_FOUND,
              "there is no " + file + "; write it, or name another with -f (docs/ports-yaml.md)"));
    } catch (AccessDeniedException e) {
      throw new ProblemException(
          Problem.of(Problem.Kind.NOT_PERMITTED, "you may not read " + file));
    } catch (IOException e) {
      throw new ProblemException(
          Problem.of(Problem.Kind.INVALID, file + " cannot be read: " + e.getMessage()));
    }
  }
}

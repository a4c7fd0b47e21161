package dev.sluice.cli;

import dev.sluice.api.ApiClient;
import dev.sluice.api.Declarations.Outcome;
import dev.sluice.api.Problem;
import dev.sluice.api.ProblemException;
import dev.sluice.config.PortsFile;
import dev.sluice.config.PortsFileException;
import dev.sluice.model.Declaration;
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
      "Publishes what a file of permanent mappings declares, and takes back what an earlier one did.",
      "",
      "All of it takes effect at once, or none; mappings that are there already stay as they are.",
      "The file is not copied: what is to outlive a reboot belongs into /etc/sluice/ports.yaml.%n"
    },
    footer = {
      "",
      "Examples:",
      "  sluice apply",
      "  sluice apply -f ports.yaml",
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

  ApplyCommand(Main main) {
    this.main = main;
  }

  @Override
  public Integer call() {
    Declaration declaration = read();
    try (ApiClient client = main.client()) {
      var applied = client.apply(declaration);
      PrintWriter out = main.terminal().out();
      if (main.json()) {
        out.println(applied.json());
        return ExitCode.OK;
      }
      Outcome outcome = applied.value();
      outcome.withdrawn().forEach(one -> out.println(PublishCommand.line("unpublished", one)));
      outcome.published().forEach(one -> out.println(PublishCommand.line("published", one)));
      out.println(outcome.unchanged() + " unchanged");
      return ExitCode.OK;
    }
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

package dev.sluice.cli;

import dev.sluice.api.AgentUnreachableException;
import dev.sluice.api.ApiClient;
import dev.sluice.api.Diagnostics.Finding;
import dev.sluice.api.Diagnostics.Severity;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;

/** {@code sluice doctor}. */
@Command(
    name = "doctor",
    description = {
      "Looks for what keeps published ports from working, and says what to do about it.",
      "",
      "Also of use when the agent does not run. Exits with 1 if something is broken.%n"
    })
final class DoctorCommand implements Callable<Integer> {
  private final Main main;

  DoctorCommand(Main main) {
    this.main = main;
  }

  @Override
  public Integer call() {
    List<Finding> findings = new ArrayList<>();
    try (ApiClient client = main.client()) {
      var asked = client.findings();
      findings.add(new Finding("agent", Severity.OK, "the agent answers on " + main.socket(), ""));
      findings.addAll(asked.value());
    } catch (AgentUnreachableException e) {
      findings.add(
          new Finding(
              "agent",
              Severity.FAILURE,
              String.valueOf(e.getMessage()),
              e.reason() == AgentUnreachableException.Reason.NOT_RUNNING
                  ? "run \"sluice agent\" as root, or \"systemctl start sluice\" where it is a"
                      + " service"
                  : ""));
      findings.addAll(new LocalChecks().findings());
    }
    if (main.json()) {
      main.terminal().out().println(ApiClient.toJson(findings));
    } else {
      print(findings);
    }
    boolean broken = findings.stream().anyMatch(found -> found.severity() == Severity.FAILURE);
    return broken ? ExitCode.FAILED : ExitCode.OK;
  }

  private void print(List<Finding> findings) {
    PrintWriter out = main.terminal().out();
    int width = findings.stream().mapToInt(found -> found.check().length()).max().orElse(0);
    for (Finding finding : findings) {
      String check = finding.check();
      out.println(
          mark(finding.severity())
              + " "
              + check
              + " ".repeat(width - check.length() + 2)
              + finding.found());
      if (!finding.remedy().isEmpty()) {
        out.println(" ".repeat(width + 4) + "→ " + finding.remedy());
      }
    }
  }

  private String mark(Severity severity) {
    return switch (severity) {
      case OK -> main.terminal().in(Terminal.Colour.GREEN, "✓");
      case NOTE -> main.terminal().in(Terminal.Colour.CYAN, "·");
      case WARNING -> main.terminal().in(Terminal.Colour.YELLOW, "!");
      case FAILURE -> main.terminal().in(Terminal.Colour.RED, "✗");
    };
  }
}

package dev.sluice.cli;

import java.util.concurrent.Callable;
import picocli.AutoComplete;
import picocli.CommandLine.Command;

/** {@code sluice completion}. */
@Command(
    name = "completion",
    description = "Prints a script that lets bash and zsh complete the commands and options.%n",
    footer = {
      "",
      "Examples:",
      "  source <(sluice completion)",
      "  sluice completion > /etc/bash_completion.d/sluice"
    })
final class CompletionCommand implements Callable<Integer> {
  private final Main main;

  CompletionCommand(Main main) {
    this.main = main;
  }

  @Override
  public Integer call() {
    main.terminal().out().println(AutoComplete.bash("sluice", main.commandLine()));
    return ExitCode.OK;
  }
}

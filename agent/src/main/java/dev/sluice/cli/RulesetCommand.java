package dev.sluice.cli;

import dev.sluice.api.ApiClient;
import java.io.PrintWriter;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;

/** {@code sluice ruleset}. */
@Command(
    name = "ruleset",
    description = {
      "Prints what is programmed in the kernel, in the language of nft -f.",
      "",
      "Loading it elsewhere makes the same table, without its owner.%n"
    },
    footer = {
      "",
      "Examples:",
      "  sluice ruleset",
      "  sluice ruleset | ip netns exec test nft -f -"
    })
final class RulesetCommand implements Callable<Integer> {
  private final Main main;

  RulesetCommand(Main main) {
    this.main = main;
  }

  @Override
  public Integer call() {
    try (ApiClient client = main.client()) {
      var ruleset = client.ruleset();
      PrintWriter out = main.terminal().out();
      if (main.json()) {
        out.println(ruleset.json());
      } else {
        out.print(ruleset.value());
      }
      return ExitCode.OK;
    }
  }
}

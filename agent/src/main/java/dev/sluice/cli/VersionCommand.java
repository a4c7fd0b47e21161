package dev.sluice.cli;

import dev.sluice.api.AgentUnreachableException;
import dev.sluice.api.ApiClient;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;

/** {@code sluice version}. */
@Command(
    name = "version",
    description = "Shows the versions of this command and of the agent, if it can be reached.%n")
final class VersionCommand implements Callable<Integer> {
  private final Main main;

  VersionCommand(Main main) {
    this.main = main;
  }

  @Override
  public Integer call() {
    PrintWriter out = main.terminal().out();
    String version = version();
    try (ApiClient client = main.client()) {
      var facts = client.facts();
      if (main.json()) {
        out.println("{\"client\":\"" + version + "\",\"agent\":" + facts.json() + "}");
        return ExitCode.OK;
      }
      out.println("sluice " + version);
      out.println("agent at " + main.socket() + ":");
      int width = facts.value().keySet().stream().mapToInt(String::length).max().orElse(0);
      for (Map.Entry<String, String> fact : facts.value().entrySet()) {
        out.println(
            "  "
                + fact.getKey()
                + " ".repeat(width - fact.getKey().length() + 2)
                + fact.getValue());
      }
    } catch (AgentUnreachableException e) {
      if (main.json()) {
        out.println("{\"client\":\"" + version + "\"}");
      } else {
        out.println("sluice " + version);
        out.println("agent: " + e.getMessage());
      }
    }
    return ExitCode.OK;
  }

  /** The version of this build. */
  static String version() {
    try (InputStream in =
        VersionCommand.class.getResourceAsStream("/dev/sluice/version.properties")) {
      Properties properties = new Properties();
      if (in != null) {
        properties.load(in);
      }
      return properties.getProperty("version", "unknown");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}

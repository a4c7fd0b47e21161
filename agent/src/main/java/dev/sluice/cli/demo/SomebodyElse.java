package dev.sluice.cli.demo;

import dev.sluice.cli.demo.DemoNetwork.Machine;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Another administrator of the host, with the usual tool. */
final class SomebodyElse {
  private static final int TIMEOUT_SECONDS = 10;

  private final Machine host;

  SomebodyElse(Machine host) {
    this.host = host;
  }

  /** What a program said. */
  record Said(int exitCode, List<String> lines) {}

  /** Runs {@code nft} with these arguments. */
  Said nft(String... arguments) throws Exception {
    List<String> command = new ArrayList<>(List.of("nft"));
    command.addAll(List.of(arguments));
    // A new process is in the namespace of the thread that starts it.
    Process process =
        host.namespace().call(() -> new ProcessBuilder(command).redirectErrorStream(true).start());
    try (InputStream output = process.getInputStream()) {
      String text = new String(output.readAllBytes(), StandardCharsets.UTF_8);
      if (!process.waitFor(TIMEOUT_SECONDS, TimeUnit.SECONDS)) {
        throw new DemoFailure(String.join(" ", command) + " does not end");
      }
      return new Said(process.exitValue(), text.lines().toList());
    } finally {
      process.destroyForcibly();
    }
  }
}

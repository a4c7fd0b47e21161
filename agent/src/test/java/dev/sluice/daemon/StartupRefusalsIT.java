package dev.sluice.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.testing.Netns;
import dev.sluice.testing.Ran;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * An agent that cannot work here says in one sentence what is missing and what to do, and changes
 * nothing. Each test fails if its sentence loses one of these, becomes a stack trace, or the exit
 * code another.
 */
class StartupRefusalsIT {
  private final Path directory;
  @AutoClose private final Netns host = Netns.create("refused");

  StartupRefusalsIT(@TempDir Path directory) {
    this.directory = directory;
  }

  private Ran agent(String... wrapper) {
    List<String> command = new ArrayList<>(List.of(wrapper));
    command.addAll(
        List.of(
            "env",
            "SLUICE_BUILD=never",
            "SLUICE_KEEPER=off",
            KeptAgent.launcher(),
            "--socket",
            directory.resolve("a.sock").toString(),
            "agent"));
    Ran ran = host.exec(command.toArray(String[]::new));
    assertThat(host.exec("nft", "list", "ruleset").orFail().stdout()).isEmpty();
    assertThat(ran.stderr()).doesNotContain("Exception").doesNotContain("\tat ");
    return ran;
  }

  @Test
  void withoutRoot() {
    Ran ran = agent("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups");
    assertThat(ran.stderr()).contains("the agent must run as root").contains("sudo sluice agent");
    assertThat(ran.exitCode()).isEqualTo(StartupException.NOT_PERMITTED);
  }

  @Test
  void withoutTheCapabilityToChangeTheNetwork() {
    Ran ran = agent("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin");
    assertThat(ran.stderr()).contains("the capability CAP_NET_ADMIN is missing");
    assertThat(ran.exitCode()).isEqualTo(StartupException.NOT_PERMITTED);
  }

  @Test
  void withoutNetfilter() {
    Ran ran =
        agent(
            "strace",
            "-f",
            "-qq",
            "-o",
            directory.resolve("trace").toString(),
            "-e",
            "trace=socket",
            "-e",
            "inject=socket:error=EPROTONOSUPPORT");
    assertThat(ran.stderr())
        .contains("this kernel has no netfilter netlink")
        .contains("modprobe nfnetlink nf_tables");
    assertThat(ran.exitCode()).isEqualTo(StartupException.FAILED);
  }
}

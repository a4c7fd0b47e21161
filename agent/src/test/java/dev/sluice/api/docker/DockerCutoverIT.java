package dev.sluice.api.docker;

import static dev.sluice.api.docker.TakeoverCase.await;
import static dev.sluice.api.docker.TakeoverCase.served;
import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.testing.DockerEngine;
import dev.sluice.testing.Lab;
import dev.sluice.testing.Ran;
import dev.sluice.testing.Traffic;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A host changes from Docker's own rules to ours while its containers are in use, step by step as
 * docs/docker.md says.
 */
class DockerCutoverIT {
  private static final Path GUIDE = Path.of("..", "docs", "docker.md");

  /**
   * Fails if a connection breaks on the way, if a new one is not served after any of the steps, or
   * if what the guide says to remove is not all.
   */
  @Test
  void connectionsLiveThroughTheChangeFromDockersRulesToOurs(@TempDir Path directory)
      throws IOException {
    Path config = directory.resolve("daemon.json");
    Files.writeString(config, "{}");
    String[] options = {"--config-file", config.toString()};
    try (TakeoverCase lab = TakeoverCase.create(options)) {
      DockerEngine engine = lab.engine();
      engine.docker("network", "create", "blue");
      lab.run("web", "-p", "8080:80", "-p", "7000:7000", DockerEngine.IMAGE);
      lab.run("blue", "--network", "blue", "-p", "7001:7000", DockerEngine.IMAGE);
      for (String container : List.of("web", "blue")) {
        engine.traffic(container).serve(container, "7000", "");
      }
      lab.client().traffic().serve("outside", "82", "");
      try (Traffic.Held in = lab.client().traffic().hold(Lab.HOST, 7000, 1);
          Traffic.Held alsoIn = lab.client().traffic().hold(Lab.HOST, 7001, 1);
          Traffic.Held out = engine.traffic("web").hold(Lab.CLIENT, 82, 1)) {
        assertThat(in.alive() + alsoIn.alive() + out.alive()).isEqualTo(3);

        // 1: containers are to outlive the engine.
        Files.writeString(config, "{\"live-restore\": true}");
        engine.signal("HUP");
        await(
            "live-restore is on",
            () -> engine.docker("info", "-f", "{{.LiveRestoreEnabled}}").equals("true"));

        // 2: the agent comes.
        lab.startAgent();
        assertThat(in.alive() + alsoIn.alive() + out.alive()).isEqualTo(3);
        assertThat(served(lab.client(), Lab.HOST + ":8080")).isEqualTo("hello");

        // 3: the engine writes no rules any more.
        Files.writeString(config, snippet("json"));
        engine.stop();
        assertThat(in.alive() + alsoIn.alive() + out.alive()).isEqualTo(3);
        assertThat(served(lab.client(), Lab.HOST + ":8080")).isEqualTo("hello");
        engine.start(options);
        await("it is followed", () -> lab.statistics().connected());
        assertThat(in.alive() + alsoIn.alive() + out.alive()).isEqualTo(3);
        assertThat(lab.host().exec("iptables-save").stdout())
            .as("what it leaves behind")
            .contains("-A DOCKER ", ":FORWARD DROP", "MASQUERADE");

        // 4: what it left behind is removed.
        lab.host().exec("sh", "-ec", snippet("sh")).orFail();
        assertThat(lab.host().exec("iptables-save").stdout())
            .contains(":FORWARD ACCEPT")
            .doesNotContain("DOCKER", "MASQUERADE", "docker0", "br-");
        assertThat(in.alive() + alsoIn.alive() + out.alive()).isEqualTo(3);

        // All is as it is without that history.
        assertThat(served(lab.client(), Lab.HOST + ":8080")).isEqualTo("hello");
        assertThat(lab.client().traffic().tcp(Lab.HOST, 7001).server()).isEqualTo("blue:7000");
        assertThat(engine.traffic("blue").tcp(Lab.CLIENT, 82).peer()).isEqualTo(Lab.HOST);
        String web = engine.inspect("web", "{{.NetworkSettings.IPAddress}}");
        assertThat(engine.traffic("blue").tcp(web, 7000).blocked()).as("networks apart").isTrue();
        lab.run("new", "-p", "8081:80", DockerEngine.IMAGE);
        assertThat(served(lab.client(), Lab.HOST + ":8081")).isEqualTo("hello");
        Ran rules = lab.host().exec("iptables-save").orFail();
        assertThat(rules.stdout()).doesNotContain("DOCKER", "MASQUERADE");
        assertThat(in.alive() + alsoIn.alive() + out.alive()).as("at the end").isEqualTo(3);
      }
    }
  }

  /** The first block of that language in the guide's section about the change. */
  private static String snippet(String language) throws IOException {
    String guide = Files.readString(GUIDE);
    String section = guide.substring(guide.indexOf("## From Docker's rules to ours"));
    Matcher block =
        Pattern.compile("```" + language + "\n(.*?)\n *```", Pattern.DOTALL).matcher(section);
    assertThat(block.find()).as("the guide has it").isTrue();
    return block.group(1);
  }
}

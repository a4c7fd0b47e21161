package dev.sluice.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.api.ApiJson;
import dev.sluice.api.cni.CniPlugins;
import dev.sluice.api.cni.CniSpool;
import dev.sluice.flow.MappingIndex;
import dev.sluice.publish.LabAgent;
import dev.sluice.ruleset.Ownership;
import dev.sluice.testing.Lab;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What an agent does every few seconds by itself. */
class HousekeepingIT {
  private static final long LIMIT_NANOS = 20_000_000_000L;

  private static final String CONFIGURATION =
      """
      {"cniVersion":"1.1.0","name":"net","type":"sluice",
       "runtimeConfig":{"portMappings":[{"hostPort":8080,"containerPort":80,"hostIP":"0.0.0.0"}]},
       "prevResult":{"cniVersion":"1.1.0","interfaces":[{"name":"eth0","sandbox":"/run/netns/c1"}],
         "ips":[{"interface":0,"address":"%s/24"}]}}
      """
          .formatted(Lab.C1);

  /**
   * Fails if a DEL that a client left while the agent had no connection to spare waits for the next
   * call, which may never come.
   */
  @Test
  void whatCniClientsLeftIsCarriedOutByItself(@TempDir Path directory) throws Exception {
    Path spool = directory.resolve("cni");
    try (Lab lab = Lab.builder().containers(1).agentWillConfigureHost().build();
        LabAgent agent = LabAgent.start(lab.host(), Ownership.OFF)) {
      CniPlugins cni =
          new CniPlugins(
              agent.publisher(),
              agent.networking(),
              CniSpool.beside(directory.resolve("sluice.sock")));
      assertThat(agent.inside(() -> cni.answer(call("ADD"), () -> false)).succeeded()).isTrue();
      assertThat(agent.publisher().published()).hasSize(1);

      Files.createDirectory(
          spool,
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
      Files.write(spool.resolve("0123456789abcdef.json"), call("DEL"));
      try (Housekeeping housekeeping =
          agent.inside(
              () ->
                  Housekeeping.start(
                      new MappingIndex(),
                      agent.table(),
                      agent.publisher(),
                      cni,
                      Duration.ofMillis(50)))) {
        long deadlineNanos = System.nanoTime() + LIMIT_NANOS;
        while (Files.exists(spool.resolve("0123456789abcdef.json"))) {
          assertThat(System.nanoTime()).as("%s, in time", housekeeping).isLessThan(deadlineNanos);
          Thread.sleep(10);
        }
      }
      assertThat(agent.publisher().published()).isEmpty();
    }
  }

  private static byte[] call(String command) {
    return ApiJson.bytes(
        json -> {
          json.writeStartObject();
          json.writeStringProperty("plugin", "sluice");
          json.writeStringProperty("command", command);
          json.writeStringProperty("containerId", "c1");
          json.writeStringProperty("netns", "/run/netns/c1");
          json.writeStringProperty("ifname", "eth0");
          json.writeStringProperty("args", "");
          json.writeStringProperty("path", "/opt/cni/bin");
          json.writeStringProperty("config", CONFIGURATION);
          json.writeEndObject();
        });
  }
}
